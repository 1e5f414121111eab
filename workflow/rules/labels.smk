# From synthetic images to image and mask pairs: annotator (simulated only), annotate, labels, pairs.


rule annotator:
    input:
        slices=P("slices.index"),
        slices_manifest=P("slices.manifest"),
    output:
        weights=P("annotator.weights"),
        scores=P("annotator.scores"),
        manifest=P("annotator.manifest"),
    log:
        P.log("annotator"),
    benchmark:
        P.benchmark("annotator")
    conda:
        f"../{ENVIRONMENT}"
    threads: PLAN.threads("annotator")
    resources:
        **PLAN.gpu,
        mem_mb=4000,
        runtime=240,
        device=PLAN.device,
        work=PLAN.work,
    params:
        settings=PLAN.settings("annotator"),
        code=PLAN.code("annotator"),
    shell:
        "exec radgen annotator --slices {input.slices:q} --slices-manifest {input.slices_manifest:q}"
        " --weights {output.weights:q} --scores {output.scores:q} --manifest {output.manifest:q}"
        " --settings {params.settings:q} --work {resources.work:q} --device {resources.device} > {log:q} 2>&1"


rule annotate_pack:
    input:
        weights=P("gan.weights"),
        gan_manifest=P("gan.manifest"),
        encoder=P("encoder.weights"),
        encoder_manifest=P("encoder.manifest"),
        slices=P("slices.index"),
        slices_manifest=P("slices.manifest"),
        earlier=PLAN.rounds_before("pack"),
        head=PLAN.head_before("head"),
        labels_manifest=PLAN.head_before("manifest"),
    output:
        pack=P("annotate.pack"),
        manifest=P("annotate.pack_manifest"),
    log:
        P.log("annotate_pack_{source}_{round}"),
    benchmark:
        P.benchmark("annotate_pack_{source}_{round}")
    wildcard_constraints:
        round=PLAN.rounds_to_choose,
    conda:
        f"../{ENVIRONMENT}"
    resources:
        **PLAN.gpu,
        mem_mb=4000,
        runtime=60,
        device=PLAN.device,
    params:
        settings=PLAN.settings("annotate_pack"),
        code=PLAN.code("annotate_pack"),
        folder=PLAN.folder_of("pack"),
    shell:
        "exec radgen annotate-pack --weights {input.weights:q} --gan-manifest {input.gan_manifest:q}"
        " --encoder {input.encoder:q} --encoder-manifest {input.encoder_manifest:q} --slices {input.slices:q}"
        " --slices-manifest {input.slices_manifest:q} --source {wildcards.source} --round-name {wildcards.round}"
        " --earlier {input.earlier:q} --head {input.head:q} --labels-manifest {input.labels_manifest:q}"
        " --folder {params.folder:q} --pack {output.pack:q} --manifest {output.manifest:q}"
        " --settings {params.settings:q} --device {resources.device} > {log:q} 2>&1"


if PLAN.study.simulated_annotator:

    rule annotate_simulated:
        input:
            pack=P("annotate.pack"),
            pack_manifest=P("annotate.pack_manifest"),
            annotator=P("annotator.weights"),
            annotator_manifest=P("annotator.manifest"),
        output:
            index=P("annotate.part_index"),
            manifest=P("annotate.part_manifest"),
        log:
            P.log("annotate_simulated_{source}_{round}"),
        benchmark:
            P.benchmark("annotate_simulated_{source}_{round}")
        conda:
            f"../{ENVIRONMENT}"
        resources:
            **PLAN.gpu,
            mem_mb=3000,
            runtime=30,
            device=PLAN.device,
        params:
            settings=PLAN.settings("annotate_simulated"),
            code=PLAN.code("annotate_simulated"),
        shell:
            "exec radgen annotate-simulated --pack {input.pack:q} --pack-manifest {input.pack_manifest:q}"
            " --annotator {input.annotator:q} --annotator-manifest {input.annotator_manifest:q} --source {wildcards.source}"
            " --index {output.index:q} --manifest {output.manifest:q} --settings {params.settings:q}"
            " --device {resources.device} > {log:q} 2>&1"

    # The annotation curve needs more masks than a study does, and simulated ones cost nothing: a pack of its own.
    use rule annotate_pack as annotation_curve_pack with:
        output:
            pack=P("annotation_curve.pack"),
            manifest=P("annotation_curve.pack_manifest"),
        log:
            P.log("annotation_curve_pack_{source}_{round}"),
        benchmark:
            P.benchmark("annotation_curve_pack_{source}_{round}")
        params:
            settings=PLAN.curve_pack_settings,
            code=PLAN.code("annotate_pack"),
            folder=PLAN.folder_of("pack"),

    use rule annotate_simulated as annotation_curve_painted with:
        input:
            pack=P("annotation_curve.pack"),
            pack_manifest=P("annotation_curve.pack_manifest"),
            annotator=P("annotator.weights"),
            annotator_manifest=P("annotator.manifest"),
        output:
            index=P("annotation_curve.painted_index"),
            manifest=P("annotation_curve.painted_manifest"),
        log:
            P.log("annotation_curve_painted_{source}_{round}"),
        benchmark:
            P.benchmark("annotation_curve_painted_{source}_{round}")

else:

    rule annotate_import:
        input:
            pack=P("annotate.pack"),
            pack_manifest=P("annotate.pack_manifest"),
            masks=PLAN.returned_masks,
        output:
            index=P("annotate.part_index"),
            manifest=P("annotate.part_manifest"),
        log:
            P.log("annotate_import_{source}_{round}"),
        benchmark:
            P.benchmark("annotate_import_{source}_{round}")
        conda:
            f"../{ENVIRONMENT}"
        resources:
            mem_mb=3000,
            runtime=30,
        params:
            settings=PLAN.settings("annotate_import"),
            code=PLAN.code("annotate_import"),
        shell:
            "exec radgen annotate-import --pack {input.pack:q} --pack-manifest {input.pack_manifest:q}"
            " --folder $(dirname {input.pack:q}) --source {wildcards.source} --index {output.index:q} --manifest {output.manifest:q}"
            " --settings {params.settings:q} > {log:q} 2>&1"


rule annotate_gather:
    input:
        weights=P("gan.weights"),
        packs=PLAN.joined_rounds("pack"),
        parts=PLAN.joined_rounds("part_index"),
        part_manifests=PLAN.joined_rounds("part_manifest"),
    output:
        index=P("annotate.index"),
        pack=P("annotate.rows"),
        manifest=P("annotate.manifest"),
    log:
        P.log("annotate_gather_{source}"),
    benchmark:
        P.benchmark("annotate_gather_{source}")
    conda:
        f"../{ENVIRONMENT}"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        code=PLAN.code("annotate_gather"),
    shell:
        "exec radgen annotate-gather --weights {input.weights:q} --packs {input.packs:q} --parts {input.parts:q}"
        " --part-manifests {input.part_manifests:q} --source {wildcards.source} --index {output.index:q}"
        " --pack {output.pack:q} --manifest {output.manifest:q} > {log:q} 2>&1"


# What the choice of a further round rests on: the rounds before it, and a head taught on them. One round has none.
use rule annotate_gather as annotate_gather_until with:
    output:
        index=P("annotate.until_index"),
        pack=P("annotate.until_rows"),
        manifest=P("annotate.until_manifest"),
    log:
        P.log("annotate_gather_{source}_until_{round}"),
    benchmark:
        P.benchmark("annotate_gather_{source}_until_{round}")


rule annotate:
    input:
        PLAN.sent_packs(),
        expand(P("annotate.index"), source=PLAN.study.annotated_sources),


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
