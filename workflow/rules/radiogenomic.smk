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
