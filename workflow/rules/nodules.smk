# Genes and nodules: the radiogenomic phantom, patches of nodules and healthy lung, the clinical and the RNA table.

if PLAN.study.config.radiogenomic_phantom is not None:

    rule radiogenomic_phantom:
        output:
            rna=P("radiogenomic_phantom.rna"),
            clinical=P("radiogenomic_phantom.clinical"),
            planted=P("radiogenomic_phantom.planted"),
            manifest=P("phantom.manifest"),
        log:
            P.log("radiogenomic_phantom"),
        benchmark:
            P.benchmark("radiogenomic_phantom")
        conda:
            f"../{ENVIRONMENT}"
        threads: 2
        resources:
            mem_mb=3000,
            runtime=60,
            archive=PLAN.archive,
        params:
            settings=PLAN.settings("radiogenomic_phantom"),
            code=PLAN.code("radiogenomic_phantom"),
        shell:
            "exec radgen radiogenomic-phantom --archive {resources.archive} --manifest {output.manifest:q}"
            " --settings {params.settings:q} --workers {threads} > {log:q} 2>&1"


if PLAN.study.config.nodules.source == "pictures":

    rule nodules_pictures:
        input:
            slices=P("slices.index"),
            slices_manifest=P("slices.manifest"),
        output:
            index=P("nodules.index"),
            backgrounds=P("nodules.backgrounds"),
            patches=P("nodules.patches"),
            rejects=P("nodules.rejects"),
            manifest=P("nodules.manifest"),
        log:
            P.log("nodules_pictures"),
        benchmark:
            P.benchmark("nodules_pictures")
        conda:
            f"../{ENVIRONMENT}"
        resources:
            mem_mb=3000,
            runtime=60,
        params:
            settings=PLAN.settings("nodules_pictures"),
            code=PLAN.code("nodules_pictures"),
        shell:
            "exec radgen nodules-pictures --slices {input.slices:q} --slices-manifest {input.slices_manifest:q}"
            " --index {output.index:q} --backgrounds {output.backgrounds:q} --patches {output.patches:q}"
            " --rejects {output.rejects:q} --manifest {output.manifest:q} --settings {params.settings:q} > {log:q} 2>&1"

else:

    rule nodules_shard:
        input:
            series=P("cohort.shard"),
            cohort_manifest=P("cohort.manifest"),
            files=P("inventory.files"),
        output:
            images=P("nodules.part_images"),
            masks=P("nodules.part_masks"),
            index=P("nodules.part_index"),
            background_images=P("nodules.part_background_images"),
            backgrounds=P("nodules.part_backgrounds"),
            patches=P("nodules.part_patches"),
            rejects=P("nodules.part_rejects"),
            manifest=P("nodules.part_manifest"),
        log:
            P.log("nodules_shard-{shard}"),
        benchmark:
            P.benchmark("nodules_shard-{shard}")
        conda:
            f"../{ENVIRONMENT}"
        resources:
            mem_mb=4000,
            runtime=240,
            archive=PLAN.archive,
            work=PLAN.work,
        params:
            settings=PLAN.settings("nodules"),
            code=PLAN.code("nodules"),
        shell:
            "exec radgen nodules --series {input.series:q} --cohort-manifest {input.cohort_manifest:q} --files {input.files:q}"
            " --archive {resources.archive} --images {output.images:q} --masks {output.masks:q} --index {output.index:q}"
            " --background-images {output.background_images:q} --backgrounds {output.backgrounds:q}"
            " --patches {output.patches:q} --rejects {output.rejects:q} --manifest {output.manifest:q}"
            " --settings {params.settings:q} --work {resources.work:q} > {log:q} 2>&1"

    rule nodules_gather:
        input:
            parts=expand(P("nodules.part_index"), shard=PLAN.shards),
            backgrounds=expand(P("nodules.part_backgrounds"), shard=PLAN.shards),
            patches=expand(P("nodules.part_patches"), shard=PLAN.shards),
            rejects=expand(P("nodules.part_rejects"), shard=PLAN.shards),
            manifests=expand(P("nodules.part_manifest"), shard=PLAN.shards),
        output:
            index=P("nodules.index"),
            backgrounds=P("nodules.backgrounds"),
            patches=P("nodules.patches"),
            rejects=P("nodules.rejects"),
            manifest=P("nodules.manifest"),
        log:
            P.log("nodules_gather"),
        benchmark:
            P.benchmark("nodules_gather")
        conda:
            f"../{ENVIRONMENT}"
        resources:
            mem_mb=2000,
            runtime=20,
        params:
            code=PLAN.code("nodules_gather"),
        shell:
            "exec radgen nodules-gather --parts {input.parts:q} --background-parts {input.backgrounds:q}"
            " --patches-parts {input.patches:q} --rejects-parts {input.rejects:q} --part-manifests {input.manifests:q}"
            " --index {output.index:q} --backgrounds {output.backgrounds:q} --patches {output.patches:q}"
            " --rejects {output.rejects:q} --manifest {output.manifest:q} > {log:q} 2>&1"


rule nodules:
    input:
        [P("nodules.index")] if PLAN.study.config.has_genes else [],


rule clinical:
    input:
        table=PLAN.optional("clinical_table"),
    output:
        table=P("clinical.table"),
        manifest=P("clinical.manifest"),
    log:
        P.log("clinical"),
    benchmark:
        P.benchmark("clinical")
    conda:
        f"../{ENVIRONMENT}"
    resources:
        mem_mb=2000,
        runtime=20,
        key_file=PLAN.key_file,
    params:
        settings=PLAN.settings("clinical"),
        code=PLAN.code("clinical"),
    shell:
        "exec radgen clinical --clinical-table {input.table:q} --key-file {resources.key_file} --table {output.table:q}"
        " --manifest {output.manifest:q} --settings {params.settings:q} > {log:q} 2>&1"


rule rna_table:
    input:
        table=PLAN.optional("rna_table"),
        genes=PLAN.optional("gene_list"),
        clinical=[P("clinical.table")] if PLAN.optional("clinical_table") else [],
        series=P("cohort.series"),
        files=P("inventory.files"),
        nodules=P("nodules.index"),
        nodules_manifest=P("nodules.manifest"),
    output:
        codes=P("rna.codes"),
        transform=P("rna.transform"),
        joined=P("rna.join"),
        manifest=P("rna.manifest"),
    log:
        P.log("rna_table"),
    benchmark:
        P.benchmark("rna_table")
    conda:
        f"../{ENVIRONMENT}"
    resources:
        mem_mb=4000,
        runtime=30,
        key_file=PLAN.key_file,
    params:
        settings=PLAN.settings("rna"),
        code=PLAN.code("rna"),
    shell:
        "exec radgen rna --rna-table {input.table:q} --gene-list {input.genes:q} --clinical {input.clinical:q}"
        " --series {input.series:q} --files {input.files:q} --nodules {input.nodules:q}"
        " --nodules-manifest {input.nodules_manifest:q} --key-file {resources.key_file} --codes {output.codes:q}"
        " --transform {output.transform:q} --joined {output.joined:q} --manifest {output.manifest:q}"
        " --settings {params.settings:q} > {log:q} 2>&1"


rule rna:
    input:
        [P("rna.codes")] if PLAN.study.config.has_genes else [],


# A feature network of nodules: it judges, and no generator is trained with it.
use rule judge as nodule_judge with:
    input:
        slices=P("nodules.index"),
        slices_manifest=P("nodules.manifest"),
    output:
        weights=P("nodule_judge.weights"),
        history=P("nodule_judge.history"),
        checks=P("nodule_judge.checks"),
        manifest=P("nodule_judge.manifest"),
    log:
        P.log("nodule_judge"),
    benchmark:
        P.benchmark("nodule_judge")
    params:
        settings=nodule_judge_settings(PLAN.study),
        code=PLAN.code("judge"),
