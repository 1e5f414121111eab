# From annotated images to image and mask pairs: labels, pairs, and what both are worth.


rule labels_head:
    input:
        weights=P("gan.weights"),
        gan_manifest=P("gan.manifest"),
        annotation=P("annotate.index"),
        annotation_manifest=P("annotate.manifest"),
        pack=P("annotate.rows"),
    output:
        head=P("labels.head"),
        validation=P("labels.validation"),
        manifest=P("labels.manifest"),
    log:
        P.log("labels_head_{source}"),
    benchmark:
        P.benchmark("labels_head_{source}")
    conda:
        f"../{ENVIRONMENT}"
    threads: PLAN.threads("labels")
    resources:
        **PLAN.gpu,
        mem_mb=6000,
        runtime=240,
        device=PLAN.device,
        work=PLAN.work,
    params:
        settings=PLAN.settings("labels"),
        code=PLAN.code("labels"),
    shell:
        "exec radgen labels --weights {input.weights:q} --gan-manifest {input.gan_manifest:q}"
        " --annotation {input.annotation:q} --annotation-manifest {input.annotation_manifest:q} --pack {input.pack:q}"
        " --source {wildcards.source} --head {output.head:q} --validation {output.validation:q}"
        " --manifest {output.manifest:q} --settings {params.settings:q} --work {resources.work:q}"
        " --device {resources.device} > {log:q} 2>&1"


use rule labels_head as labels_head_until with:
    input:
        weights=P("gan.weights"),
        gan_manifest=P("gan.manifest"),
        annotation=P("annotate.until_index"),
        annotation_manifest=P("annotate.until_manifest"),
        pack=P("annotate.until_rows"),
    output:
        head=P("labels.until_head"),
        validation=P("labels.until_validation"),
        manifest=P("labels.until_manifest"),
    log:
        P.log("labels_head_{source}_until_{round}"),
    benchmark:
        P.benchmark("labels_head_{source}_until_{round}")


rule labels:
    input:
        expand(P("labels.head"), source=PLAN.study.annotated_sources),


# Each job draws its stretch of the pairs; which ones are dropped is known only when all are drawn.
rule pairs_draft:
    input:
        weights=P("gan.weights"),
        gan_manifest=P("gan.manifest"),
        head=P("labels.head"),
        labels_manifest=P("labels.manifest"),
        encoder=P("encoder.weights"),
        encoder_manifest=P("encoder.manifest"),
        slices=P("slices.index"),
        slices_manifest=P("slices.manifest"),
    output:
        folder=temp(directory(P("pairs.draft"))),
    log:
        P.log("pairs_draft_{source}_{job}"),
    benchmark:
        P.benchmark("pairs_draft_{source}_{job}")
    conda:
        f"../{ENVIRONMENT}"
    threads: PLAN.threads("pairs_draft")
    resources:
        **PLAN.gpu,
        mem_mb=3000,
        runtime=240,
        device=PLAN.device,
    params:
        settings=PLAN.settings("pairs_draft"),
        code=PLAN.code("pairs_draft"),
    shell:
        "exec radgen pairs-draft --weights {input.weights:q} --gan-manifest {input.gan_manifest:q} --head {input.head:q}"
        " --labels-manifest {input.labels_manifest:q} --encoder {input.encoder:q}"
        " --encoder-manifest {input.encoder_manifest:q} --slices {input.slices:q}"
        " --slices-manifest {input.slices_manifest:q} --source {wildcards.source} --job {wildcards.job}"
        " --folder {output.folder:q} --settings {params.settings:q} --device {resources.device} > {log:q} 2>&1"


rule pairs_source:
    input:
        drafts=expand(P("pairs.draft"), job=PLAN.pair_jobs, allow_missing=True),
        weights=P("gan.weights"),
        gan_manifest=P("gan.manifest"),
        head=P("labels.head"),
        labels_manifest=P("labels.manifest"),
        encoder=P("encoder.weights"),
        encoder_manifest=P("encoder.manifest"),
        slices=P("slices.index"),
        slices_manifest=P("slices.manifest"),
    output:
        index=P("pairs.part_index"),
        uncertainty=P("pairs.uncertainty"),
        manifest=P("pairs.part_manifest"),
    log:
        P.log("pairs_source_{source}"),
    benchmark:
        P.benchmark("pairs_source_{source}")
    conda:
        f"../{ENVIRONMENT}"
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        settings=PLAN.settings("pairs"),
        code=PLAN.code("pairs"),
    shell:
        "exec radgen pairs --drafts {input.drafts:q} --weights {input.weights:q} --gan-manifest {input.gan_manifest:q}"
        " --head {input.head:q} --labels-manifest {input.labels_manifest:q} --encoder {input.encoder:q}"
        " --encoder-manifest {input.encoder_manifest:q} --slices {input.slices:q}"
        " --slices-manifest {input.slices_manifest:q} --source {wildcards.source} --index {output.index:q}"
        " --uncertainty {output.uncertainty:q} --manifest {output.manifest:q} --settings {params.settings:q}"
        " > {log:q} 2>&1"


rule pairs_gather:
    input:
        parts=expand(P("pairs.part_index"), source=PLAN.study.annotated_sources),
        manifests=expand(P("pairs.part_manifest"), source=PLAN.study.annotated_sources),
    output:
        index=P("pairs.index"),
        manifest=P("pairs.manifest"),
    log:
        P.log("pairs_gather"),
    benchmark:
        P.benchmark("pairs_gather")
    conda:
        f"../{ENVIRONMENT}"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        code=PLAN.code("gather"),
    shell:
        "exec radgen gather --parts {input.parts:q} --part-manifests {input.manifests:q} --index {output.index:q}"
        " --manifest {output.manifest:q} > {log:q} 2>&1"


rule pairs:
    input:
        [P("pairs.index")] if PLAN.study.annotated_sources else [],


# Whether uncertainty tells error, on held-out slices and against an oracle; nothing waits for it.
rule labels_calibration_source:
    input:
        weights=P("gan.weights"),
        gan_manifest=P("gan.manifest"),
        head=P("labels.head"),
        labels_manifest=P("labels.manifest"),
        slices=P("slices.index"),
        slices_manifest=P("slices.manifest"),
    output:
        images=P("calibration.images"),
        curve=P("calibration.curve"),
        manifest=P("calibration.part_manifest"),
    log:
        P.log("labels_calibration_{source}"),
    benchmark:
        P.benchmark("labels_calibration_{source}")
    conda:
        f"../{ENVIRONMENT}"
    resources:
        **PLAN.gpu,
        mem_mb=4000,
        runtime=240,
        device=PLAN.device,
        work=PLAN.work,
    params:
        settings=PLAN.settings("labels_calibration"),
        code=PLAN.code("labels_calibration"),
    shell:
        "exec radgen labels-calibration --weights {input.weights:q} --gan-manifest {input.gan_manifest:q}"
        " --head {input.head:q} --labels-manifest {input.labels_manifest:q} --slices {input.slices:q}"
        " --slices-manifest {input.slices_manifest:q} --source {wildcards.source} --images {output.images:q}"
        " --curve {output.curve:q} --manifest {output.manifest:q} --settings {params.settings:q}"
        " --work {resources.work:q} --device {resources.device} > {log:q} 2>&1"


rule labels_calibration:
    input:
        expand(P("calibration.part_manifest"), source=PLAN.study.annotated_sources),


# What a number of annotations is worth; nothing waits for it. Each (count, seed) is a job.
rule annotation_curve_point:
    input:
        annotation=PLAN.curve_annotation("index"),
        annotation_manifest=PLAN.curve_annotation("manifest"),
        pack=PLAN.curve_annotation("pack"),
        weights=P("gan.weights"),
        gan_manifest=P("gan.manifest"),
        slices=P("slices.index"),
        slices_manifest=P("slices.manifest"),
    output:
        scores=P("annotation_curve.point"),
        manifest=P("annotation_curve.point_manifest"),
    log:
        P.log("annotation_curve_point_{source}_{annotations}_{seed}"),
    benchmark:
        P.benchmark("annotation_curve_point_{source}_{annotations}_{seed}")
    conda:
        f"../{ENVIRONMENT}"
    threads: PLAN.threads("annotation_curve")
    resources:
        **PLAN.gpu,
        mem_mb=4000,
        runtime=240,
        device=PLAN.device,
        work=PLAN.work,
    params:
        settings=PLAN.settings("annotation_curve_point"),
        code=PLAN.code("annotation_curve_point"),
    shell:
        "exec radgen annotation-curve-point --weights {input.weights:q} --gan-manifest {input.gan_manifest:q}"
        " --annotation {input.annotation:q} --annotation-manifest {input.annotation_manifest:q} --pack {input.pack:q}"
        " --slices {input.slices:q} --slices-manifest {input.slices_manifest:q} --source {wildcards.source}"
        " --count {wildcards.annotations} --seed {wildcards.seed} --scores {output.scores:q} --manifest {output.manifest:q}"
        " --settings {params.settings:q} --work {resources.work:q} --device {resources.device} > {log:q} 2>&1"


rule annotation_curve_source:
    input:
        points=PLAN.curve_points("point"),
        manifests=PLAN.curve_points("point_manifest"),
    output:
        table=P("annotation_curve.table"),
        manifest=P("annotation_curve.part_manifest"),
    log:
        P.log("annotation_curve_{source}"),
    benchmark:
        P.benchmark("annotation_curve_{source}")
    conda:
        f"../{ENVIRONMENT}"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=PLAN.settings("annotation_curve"),
        code=PLAN.code("annotation_curve"),
    shell:
        "exec radgen annotation-curve --points {input.points:q} --point-manifests {input.manifests:q}"
        " --source {wildcards.source} --table {output.table:q} --manifest {output.manifest:q}"
        " --settings {params.settings:q} > {log:q} 2>&1"


rule annotation_curve:
    input:
        expand(P("annotation_curve.part_manifest"), source=PLAN.study.annotated_sources),
