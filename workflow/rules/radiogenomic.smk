# Nodules from genes: the generator, its samples, what they are worth.


rule radiogenomic_train:
    input:
        nodules=P("nodules.index"),
        backgrounds=P("nodules.backgrounds"),
        nodules_manifest=P("nodules.manifest"),
        rna=P("rna.codes"),
        rna_manifest=P("rna.manifest"),
    output:
        weights=P("radiogenomic.weights"),
        history=P("radiogenomic.history"),
        grid=P("radiogenomic.grid"),
        manifest=P("radiogenomic.manifest"),
    log:
        P.log("radiogenomic_train_{source}"),
    benchmark:
        P.benchmark("radiogenomic_train_{source}")
    wildcard_constraints:
        source=PLAN.only("radiogenomic"),
    # As for other generators: the longest chain of the DAG starts first.
    priority: 90
    retries: RETRIES
    conda:
        f"../{ENVIRONMENT}"
    threads: PLAN.threads("radiogenomic")
    resources:
        **PLAN.gpu,
        mem_mb=6000,
        runtime=1440,
        device=PLAN.device,
        work=PLAN.work,
    params:
        settings=PLAN.settings("radiogenomic"),
        code=PLAN.code("radiogenomic"),
    shell:
        "exec radgen radiogenomic --nodules {input.nodules:q} --backgrounds {input.backgrounds:q}"
        " --nodules-manifest {input.nodules_manifest:q} --rna {input.rna:q} --rna-manifest {input.rna_manifest:q}"
        " --source {wildcards.source} --weights {output.weights:q} --history {output.history:q} --grid {output.grid:q}"
        " --manifest {output.manifest:q} --settings {params.settings:q} --work {resources.work:q}"
        " --device {resources.device} > {log:q} 2>&1"


rule radiogenomic:
    input:
        expand(P("radiogenomic.weights"), source=PLAN.sources_of("radiogenomic")),


rule radiogenomic_sample_source:
    input:
        weights=P("radiogenomic.weights"),
        training_manifest=P("radiogenomic.manifest"),
        nodules=P("nodules.index"),
        backgrounds=P("nodules.backgrounds"),
        nodules_manifest=P("nodules.manifest"),
        rna=P("rna.codes"),
    output:
        index=P("sample.part_index"),
        draws=P("radiogenomic_sample.draws"),
        profiles=P("radiogenomic_sample.profiles"),
        embeddings=P("radiogenomic_sample.embeddings"),
        saliency=P("radiogenomic_sample.saliency"),
        training=P("training_sample.part_index"),
        training_manifest=P("training_sample.part_manifest"),
        grids=[
            P(f"radiogenomic_sample.grid_{varies}")
            for varies in ("background", "gene", "noise")
        ],
        manifest=P("sample.part_manifest"),
    log:
        P.log("radiogenomic_sample_{source}"),
    benchmark:
        P.benchmark("radiogenomic_sample_{source}")
    wildcard_constraints:
        source=PLAN.only("radiogenomic"),
    conda:
        f"../{ENVIRONMENT}"
    threads: PLAN.threads("radiogenomic_sample")
    resources:
        **PLAN.gpu,
        mem_mb=4000,
        runtime=240,
        device=PLAN.device,
    params:
        settings=PLAN.settings("radiogenomic_sample"),
        code=PLAN.code("radiogenomic_sample"),
    shell:
        "exec radgen radiogenomic-sample --weights {input.weights:q} --training-manifest {input.training_manifest:q}"
        " --nodules {input.nodules:q} --backgrounds {input.backgrounds:q}"
        " --nodules-manifest {input.nodules_manifest:q} --rna {input.rna:q} --index {output.index:q}"
        " --manifest {output.manifest:q} --settings {params.settings:q} --device {resources.device} > {log:q} 2>&1"


rule radiogenomic_sample:
    input:
        expand(P("sample.part_index"), source=PLAN.sources_of("radiogenomic")),


rule radiogenomic_scores_source:
    input:
        nodules=P("nodules.index"),
        backgrounds=P("nodules.backgrounds"),
        nodules_manifest=P("nodules.manifest"),
        codes=P("rna.codes"),
        judge=P("nodule_judge.weights"),
        judge_manifest=P("nodule_judge.manifest"),
        weights=P("radiogenomic.weights"),
        samples=P("sample.part_index"),
        samples_manifest=P("sample.part_manifest"),
        draws=P("radiogenomic_sample.draws"),
        saliency=P("radiogenomic_sample.saliency"),
        planted=(
            [P("radiogenomic_phantom.planted")]
            if PLAN.study.config.radiogenomic_phantom is not None
            else []
        ),
    output:
        scores=P("radiogenomic_scores.scores"),
        shuffles=P("radiogenomic_scores.shuffles"),
        agreement=P("radiogenomic_scores.agreement"),
        nearest=P("radiogenomic_scores.nearest"),
        saliency=P("radiogenomic_scores.saliency"),
        manifest=P("radiogenomic_scores.manifest"),
    log:
        P.log("radiogenomic_scores_{source}"),
    benchmark:
        P.benchmark("radiogenomic_scores_{source}")
    wildcard_constraints:
        source=PLAN.only("radiogenomic"),
    conda:
        f"../{ENVIRONMENT}"
    threads: PLAN.threads("radiogenomic_scores")
    resources:
        **PLAN.gpu,
        mem_mb=4000,
        runtime=240,
        device=PLAN.device,
        work=PLAN.work,
    params:
        settings=PLAN.settings("radiogenomic_scores"),
        code=PLAN.code("radiogenomic_scores"),
    shell:
        "exec radgen radiogenomic-scores --nodules {input.nodules:q} --backgrounds {input.backgrounds:q}"
        " --nodules-manifest {input.nodules_manifest:q} --codes {input.codes:q} --judge {input.judge:q}"
        " --judge-manifest {input.judge_manifest:q} --weights {input.weights:q} --samples {input.samples:q}"
        " --samples-manifest {input.samples_manifest:q} --draws {input.draws:q} --gene-saliency {input.saliency:q}"
        " --planted {input.planted:q} --source {wildcards.source} --scores {output.scores:q}"
        " --shuffles {output.shuffles:q} --agreement {output.agreement:q} --nearest {output.nearest:q}"
        " --saliency {output.saliency:q} --manifest {output.manifest:q} --settings {params.settings:q}"
        " --work {resources.work:q} --device {resources.device} > {log:q} 2>&1"


rule radiogenomic_survival_source:
    input:
        codes=P("rna.codes"),
        joined=P("rna.join"),
        clinical=P("clinical.table"),
        weights=P("radiogenomic.weights"),
        training_manifest=P("radiogenomic.manifest"),
    output:
        table=P("radiogenomic_survival.table"),
        manifest=P("radiogenomic_survival.manifest"),
    log:
        P.log("radiogenomic_survival_{source}"),
    benchmark:
        P.benchmark("radiogenomic_survival_{source}")
    wildcard_constraints:
        source=PLAN.only("radiogenomic"),
    conda:
        f"../{ENVIRONMENT}"
    threads: PLAN.threads("survival")
    resources:
        **PLAN.gpu,
        mem_mb=2000,
        runtime=60,
        device=PLAN.device,
    params:
        settings=PLAN.settings("radiogenomic_survival"),
        code=PLAN.code("radiogenomic_survival"),
    shell:
        "exec radgen radiogenomic-survival --codes {input.codes:q} --joined {input.joined:q}"
        " --clinical {input.clinical:q} --weights {input.weights:q} --training-manifest {input.training_manifest:q}"
        " --source {wildcards.source} --table {output.table:q} --manifest {output.manifest:q}"
        " --settings {params.settings:q} --device {resources.device} > {log:q} 2>&1"


rule radiogenomic_scores:
    input:
        radiogenomic_files(PLAN.study),
