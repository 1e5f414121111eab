# Does it help, and is it close to anyone: benchmark arms, the real-only curve, metrics by the judge, the audit.


rule benchmark_arm:
    input:
        slices=PLAN.task_real("index"),
        slices_manifest=PLAN.task_real("manifest"),
        synthetic=PLAN.synthetic_inputs("part_index"),
        synthetic_manifests=PLAN.synthetic_inputs("part_manifest"),
        volumes=PLAN.volumes,
        annotator=PLAN.annotator_inputs,
        stream=PLAN.stream_inputs,
    output:
        scores=P("benchmark.arm_scores"),
        history=P("benchmark.arm_history"),
        manifest=P("benchmark.arm_manifest"),
    log:
        P.log("benchmark_arm_{task}_{arm}"),
    benchmark:
        P.benchmark("benchmark_arm_{task}_{arm}")
    wildcard_constraints:
        arm=PLAN.arm_jobs("arm"),
    conda:
        f"../{ENVIRONMENT}"
    threads: PLAN.arm_threads
    resources:
        **PLAN.gpu,
        mem_mb=5000,
        runtime=480,
        device=PLAN.device,
        work=PLAN.work,
    params:
        settings=PLAN.settings("benchmark"),
        seeds=PLAN.seed_option,
        code=PLAN.code("benchmark"),
    shell:
        "exec radgen benchmark --slices {input.slices:q} --slices-manifest {input.slices_manifest:q}"
        " --synthetic {input.synthetic:q} --synthetic-manifests {input.synthetic_manifests:q} --volumes {input.volumes:q}"
        " --annotator {input.annotator:q} --stream {input.stream:q} {params.seeds}"
        " --task {wildcards.task} --arm {wildcards.arm} --scores {output.scores:q} --history {output.history:q}"
        " --manifest {output.manifest:q} --settings {params.settings:q} --work {resources.work:q}"
        " --device {resources.device} > {log:q} 2>&1"


# With `benchmark.jobs: seed` each network of an arm is a job, and their tables are joined.
use rule benchmark_arm as benchmark_seed with:
    output:
        scores=P("benchmark.seed_scores"),
        history=P("benchmark.seed_history"),
        manifest=P("benchmark.seed_manifest"),
    log:
        P.log("benchmark_seed_{task}_{arm}_{seed}"),
    benchmark:
        P.benchmark("benchmark_seed_{task}_{arm}_{seed}")
    wildcard_constraints:
        arm=PLAN.arm_jobs("seed"),


rule benchmark_join:
    input:
        parts=expand(
            P("benchmark.seed_scores"), seed=PLAN.study.networks, allow_missing=True
        ),
        histories=expand(
            P("benchmark.seed_history"), seed=PLAN.study.networks, allow_missing=True
        ),
        manifests=expand(
            P("benchmark.seed_manifest"), seed=PLAN.study.networks, allow_missing=True
        ),
    output:
        scores=P("benchmark.arm_scores"),
        history=P("benchmark.arm_history"),
        manifest=P("benchmark.arm_manifest"),
    log:
        P.log("benchmark_join_{task}_{arm}"),
    benchmark:
        P.benchmark("benchmark_join_{task}_{arm}")
    wildcard_constraints:
        arm=PLAN.arm_jobs("seed"),
    conda:
        f"../{ENVIRONMENT}"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        code=PLAN.code("benchmark_join"),
    shell:
        "exec radgen benchmark-join --parts {input.parts:q} --histories {input.histories:q}"
        " --part-manifests {input.manifests:q} --scores {output.scores:q} --history {output.history:q}"
        " --manifest {output.manifest:q} > {log:q} 2>&1"


rule benchmark_summary:
    input:
        scores=PLAN.arm_files("arm_scores"),
        manifests=PLAN.arm_files("arm_manifest"),
    output:
        table=P("benchmark.scores"),
        summary=P("benchmark.summary"),
        curve=P("benchmark.curve"),
        verdicts=P("benchmark.verdicts"),
        manifest=P("benchmark.manifest"),
    log:
        P.log("benchmark_summary"),
    benchmark:
        P.benchmark("benchmark_summary")
    conda:
        f"../{ENVIRONMENT}"
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        settings=PLAN.settings("benchmark_summary"),
        code=PLAN.code("benchmark_summary"),
    shell:
        "exec radgen benchmark-summary --scores {input.scores:q} --manifests {input.manifests:q} --table {output.table:q}"
        " --summary {output.summary:q} --curve {output.curve:q} --verdicts {output.verdicts:q}"
        " --manifest {output.manifest:q} --settings {params.settings:q} > {log:q} 2>&1"


rule benchmark:
    input:
        [P("benchmark.summary")] if PLAN.study.tasks else [],


use rule benchmark_summary as real_curve_summary with:
    input:
        scores=PLAN.arm_files("arm_scores", curve=True),
        manifests=PLAN.arm_files("arm_manifest", curve=True),
    output:
        table=P("real_curve.scores"),
        summary=P("real_curve.summary"),
        curve=P("real_curve.curve"),
        verdicts=P("real_curve.verdicts"),
        manifest=P("real_curve.manifest"),
    log:
        P.log("real_curve_summary"),
    benchmark:
        P.benchmark("real_curve_summary")


rule real_curve:
    input:
        [P("real_curve.curve")] if PLAN.study.tasks else [],


rule metrics_source:
    input:
        slices=P("slices.index"),
        slices_manifest=P("slices.manifest"),
        judge=P("judge.weights"),
        judge_manifest=P("judge.manifest"),
        samples=PLAN.scored_images("part_index"),
        samples_manifest=PLAN.scored_images("part_manifest"),
        weights=PLAN.scoring_weights.values(),
    output:
        quality=P("metrics.quality"),
        nearest=P("metrics.nearest"),
        manifest=P("metrics.part_manifest"),
    log:
        P.log("metrics_source_{source}"),
    benchmark:
        P.benchmark("metrics_source_{source}")
    conda:
        f"../{ENVIRONMENT}"
    threads: PLAN.threads("metrics")
    resources:
        **PLAN.gpu,
        mem_mb=4000,
        runtime=120,
        device=PLAN.device,
        work=PLAN.work,
    params:
        settings=PLAN.settings("metrics"),
        code=PLAN.code("metrics"),
    shell:
        "exec radgen metrics --slices {input.slices:q} --slices-manifest {input.slices_manifest:q}"
        " --judge-weights {input.judge:q} --judge-manifest {input.judge_manifest:q} --samples {input.samples:q}"
        " --samples-manifest {input.samples_manifest:q} --source {wildcards.source} --quality {output.quality:q}"
        " --nearest {output.nearest:q} --manifest {output.manifest:q} --settings {params.settings:q}"
        " --work {resources.work:q} --device {resources.device} > {log:q} 2>&1"


rule metrics:
    input:
        expand(
            P("metrics.quality"), source=PLAN.sources_of("gan", "semantic", "images")
        ),


rule audit_set:
    input:
        slices=PLAN.audited_real("index"),
        slices_manifest=PLAN.audited_real("manifest"),
        judge=PLAN.auditing_judge("weights"),
        judge_manifest=PLAN.auditing_judge("manifest"),
        image_set=PLAN.audited_set("part_index"),
        image_set_manifest=PLAN.audited_set("part_manifest"),
        weights=PLAN.scoring_weights.values(),
    output:
        images=P("audit.images"),
        measures=P("audit.measures"),
        verdict=P("audit.verdict"),
        closest=P("audit.closest"),
        manifest=P("audit.part_manifest"),
    log:
        P.log("audit_set_{part}_{source}"),
    benchmark:
        P.benchmark("audit_set_{part}_{source}")
    conda:
        f"../{ENVIRONMENT}"
    threads: PLAN.threads("release")
    resources:
        **PLAN.gpu,
        mem_mb=4000,
        runtime=120,
        device=PLAN.device,
    params:
        settings=PLAN.settings("audit"),
        code=PLAN.code("audit"),
    shell:
        "exec radgen audit --slices {input.slices:q} --slices-manifest {input.slices_manifest:q}"
        " --judge-weights {input.judge:q} --judge-manifest {input.judge_manifest:q} --image-set {input.image_set:q}"
        " --images {output.images:q} --measures {output.measures:q} --verdict {output.verdict:q}"
        " --closest {output.closest:q} --manifest {output.manifest:q} --settings {params.settings:q}"
        " --device {resources.device} > {log:q} 2>&1"


rule audit:
    input:
        PLAN.audits("verdict"),
