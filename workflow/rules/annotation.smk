# Which synthetic images people paint, and their masks back: annotator (simulated only), annotate, round by round.


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
        earlier=PLAN.rounds.before("pack"),
        head=PLAN.rounds.head_before("head"),
        labels_manifest=PLAN.rounds.head_before("manifest"),
    output:
        pack=P("annotate.pack"),
        manifest=P("annotate.pack_manifest"),
    log:
        P.log("annotate_pack_{source}_{round}"),
    benchmark:
        P.benchmark("annotate_pack_{source}_{round}")
    wildcard_constraints:
        round=PLAN.rounds.to_choose,
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
            masks=PLAN.rounds.returned_masks,
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
            " --source {wildcards.source} --index {output.index:q} --manifest {output.manifest:q}"
            " --settings {params.settings:q} > {log:q} 2>&1"


rule annotate_gather:
    input:
        weights=P("gan.weights"),
        packs=PLAN.rounds.joined("pack"),
        parts=PLAN.rounds.joined("part_index"),
        part_manifests=PLAN.rounds.joined("part_manifest"),
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
        PLAN.rounds.sent_packs(),
        expand(P("annotate.index"), source=PLAN.study.annotated_sources),
