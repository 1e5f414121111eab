# From an archive to the real image set: phantom (demo only), inventory, cohort, slices.

if PLAN.study.config.phantom is not None:

    rule phantom:
        output:
            manifest=P("phantom.manifest"),
        log:
            P.log("phantom"),
        benchmark:
            P.benchmark("phantom")
        conda:
            f"../{ENVIRONMENT}"
        threads: 2
        resources:
            mem_mb=3000,
            runtime=60,
            archive=PLAN.archive,
        params:
            settings=PLAN.settings("phantom"),
            code=PLAN.code("phantom"),
        shell:
            "exec radgen phantom --archive {resources.archive} --manifest {output.manifest:q}"
            " --settings {params.settings:q} --workers {threads} > {log:q} 2>&1"


rule inventory:
    input:
        archive=PLAN.archive_input,
        patient_table=PLAN.optional("patient_table"),
    output:
        index=P("inventory.index"),
        rejects=P("inventory.rejects"),
        files=P("inventory.files"),
        manifest=P("inventory.manifest"),
    log:
        P.log("inventory"),
    benchmark:
        P.benchmark("inventory")
    conda:
        f"../{ENVIRONMENT}"
    threads: 2
    resources:
        # 1.3 KB a picture, 3.8 KB a DICOM slice: an attempt that was too small is followed by a larger one.
        mem_mb=lambda wildcards, attempt: 3000 * attempt,
        runtime=240,
        archive=PLAN.archive,
        work=PLAN.work,
        key_file=PLAN.key_file,
    params:
        # Read by nobody: Snakemake compares it with the last run's.
        **PLAN.archive_changes,
        settings=PLAN.settings("inventory"),
        code=PLAN.code("inventory"),
    shell:
        "exec radgen inventory --archive {resources.archive} --patient-table {input.patient_table:q}"
        " --index {output.index:q} --rejects {output.rejects:q} --files {output.files:q} --manifest {output.manifest:q}"
        " --settings {params.settings:q} --key-file {resources.key_file} --work {resources.work:q}"
        " --workers {threads} > {log:q} 2>&1"


rule cohort:
    input:
        inventory=P("inventory.index"),
        rejects=P("inventory.rejects"),
        manifest=P("inventory.manifest"),
        files=P("inventory.files"),
        labels_table=PLAN.optional("labels_table"),
        split_file=PLAN.optional("split_file"),
        group_table=PLAN.optional("group_table"),
    output:
        series=P("cohort.series"),
        rejects=P("cohort.rejects"),
        counts=P("cohort.counts"),
        page=P("cohort.page"),
        shards=expand(P("cohort.shard"), shard=PLAN.shards),
        manifest=P("cohort.manifest"),
    log:
        P.log("cohort"),
    benchmark:
        P.benchmark("cohort")
    conda:
        f"../{ENVIRONMENT}"
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        settings=PLAN.settings("cohort"),
        code=PLAN.code("cohort"),
    shell:
        "exec radgen cohort --inventory {input.inventory:q} --inventory-rejects {input.rejects:q}"
        " --inventory-manifest {input.manifest:q} --files {input.files:q}"
        " --labels-table {input.labels_table:q} --split-file {input.split_file:q}"
        " --group-table {input.group_table:q}"
        " --series {output.series:q} --rejects {output.rejects:q} --counts {output.counts:q} --page {output.page:q}"
        " --shards {output.shards:q} --manifest {output.manifest:q} --settings {params.settings:q} > {log:q} 2>&1"


rule slices_shard:
    input:
        series=P("cohort.shard"),
        cohort_manifest=P("cohort.manifest"),
        files=P("inventory.files"),
    output:
        **PLAN.mask_outputs(),
        images=P("slices.part_images"),
        index=P("slices.part_index"),
        rejects=P("slices.part_rejects"),
        qc=P("slices.part_qc"),
        manifest=P("slices.part_manifest"),
    log:
        P.log("slices_shard-{shard}"),
    benchmark:
        P.benchmark("slices_shard-{shard}")
    conda:
        f"../{ENVIRONMENT}"
    resources:
        mem_mb=4000,
        runtime=240,
        archive=PLAN.archive,
        work=PLAN.work,
    params:
        settings=PLAN.settings("slices"),
        code=PLAN.code("slices"),
        masks=PLAN.mask_options,
    shell:
        "exec radgen slices --series {input.series:q} --cohort-manifest {input.cohort_manifest:q} --files {input.files:q}"
        " --archive {resources.archive} --images {output.images:q} {params.masks} --index {output.index:q}"
        " --rejects {output.rejects:q} --qc {output.qc:q} --manifest {output.manifest:q}"
        " --settings {params.settings:q} --work {resources.work:q} > {log:q} 2>&1"


rule slices_gather:
    input:
        parts=expand(P("slices.part_index"), shard=PLAN.shards),
        # Read beside the index parts, to find nearly equal images of different splits.
        images=expand(P("slices.part_images"), shard=PLAN.shards),
        rejects=expand(P("slices.part_rejects"), shard=PLAN.shards),
        qc=expand(P("slices.part_qc"), shard=PLAN.shards),
        manifests=expand(P("slices.part_manifest"), shard=PLAN.shards),
    output:
        index=P("slices.index"),
        rejects=P("slices.rejects"),
        qc=P("slices.qc"),
        near_duplicates=P("slices.near_duplicates"),
        manifest=P("slices.manifest"),
    log:
        P.log("slices_gather"),
    benchmark:
        P.benchmark("slices_gather")
    conda:
        f"../{ENVIRONMENT}"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        settings=PLAN.settings("slices_gather"),
        code=PLAN.code("slices_gather"),
    shell:
        "exec radgen slices-gather --parts {input.parts:q} --part-manifests {input.manifests:q}"
        " --rejects-parts {input.rejects:q} --qc-parts {input.qc:q} --index {output.index:q}"
        " --rejects {output.rejects:q} --qc {output.qc:q} --near-duplicates {output.near_duplicates:q}"
        " --manifest {output.manifest:q} --settings {params.settings:q} > {log:q} 2>&1"


rule slices:
    input:
        P("slices.index"),
