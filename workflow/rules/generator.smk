# From the real image set to synthetic images: encoder, judge, gan, sample.


rule encoder_train:
    input:
        slices=P("slices.index"),
        slices_manifest=P("slices.manifest"),
    output:
        weights=P("encoder.weights"),
        history=P("encoder.history"),
        manifest=P("encoder.manifest"),
    log:
        P.log("encoder_train_{source}"),
    benchmark:
        P.benchmark("encoder_train_{source}")
    # The longest chain of the DAG runs through the generator: start it first.
    priority: 90
    conda:
        f"../{ENVIRONMENT}"
    threads: PLAN.threads("encoder")
    resources:
        **PLAN.gpu,
        mem_mb=4000,
        runtime=240,
        device=PLAN.device,
        work=PLAN.work,
    params:
        settings=PLAN.settings("encoder"),
        code=PLAN.code("encoder"),
    shell:
        "exec radgen encoder --slices {input.slices:q} --slices-manifest {input.slices_manifest:q}"
        " --source {wildcards.source} --weights {output.weights:q} --history {output.history:q}"
        " --manifest {output.manifest:q} --settings {params.settings:q} --work {resources.work:q}"
        " --device {resources.device} > {log:q} 2>&1"


rule encoder:
    input:
        expand(P("encoder.weights"), source=PLAN.sources_of("gan", "semantic")),


rule judge:
    input:
        slices=P("slices.index"),
        slices_manifest=P("slices.manifest"),
    output:
        weights=P("judge.weights"),
        history=P("judge.history"),
        checks=P("judge.checks"),
        manifest=P("judge.manifest"),
    log:
        P.log("judge"),
    benchmark:
        P.benchmark("judge")
    conda:
        f"../{ENVIRONMENT}"
    threads: PLAN.threads("judge")
    resources:
        **PLAN.gpu,
        mem_mb=4000,
        runtime=240,
        device=PLAN.device,
        work=PLAN.work,
    params:
        settings=PLAN.settings("judge"),
        code=PLAN.code("judge"),
    shell:
        "exec radgen judge --slices {input.slices:q} --slices-manifest {input.slices_manifest:q}"
        " --weights {output.weights:q} --history {output.history:q} --checks {output.checks:q}"
        " --manifest {output.manifest:q} --settings {params.settings:q} --work {resources.work:q}"
        " --device {resources.device} > {log:q} 2>&1"


# A generator that grows has a job for each stage before the last one; others have none.
rule gan_stage:
    input:
        slices=P("slices.index"),
        slices_manifest=P("slices.manifest"),
        encoder=P("encoder.weights"),
        encoder_manifest=P("encoder.manifest"),
        previous=PLAN.stage_before("weights"),
        previous_manifest=PLAN.stage_before("manifest"),
        start=PLAN.start_files,
    output:
        weights=P("gan.stage_weights"),
        last=P("gan.stage_last"),
        history=P("gan.stage_history"),
        grid=P("gan.stage_grid"),
        manifest=P("gan.stage_manifest"),
    log:
        P.log("gan_stage_{source}_{px}"),
    benchmark:
        P.benchmark("gan_stage_{source}_{px}")
    wildcard_constraints:
        source=PLAN.only("gan"),
    priority: 90
    retries: RETRIES
    conda:
        f"../{ENVIRONMENT}"
    threads: PLAN.threads("gan")
    resources:
        **PLAN.gpu,
        mem_mb=6000,
        runtime=1440,
        device=PLAN.device,
        work=PLAN.work,
    params:
        settings=PLAN.settings("gan"),
        code=PLAN.code("gan"),
    shell:
        "exec radgen gan --slices {input.slices:q} --slices-manifest {input.slices_manifest:q}"
        " --encoder {input.encoder:q} --encoder-manifest {input.encoder_manifest:q} --source {wildcards.source}"
        " --previous {input.previous:q} --resolution {wildcards.px}"
        " --weights {output.weights:q} --last {output.last:q} --history {output.history:q} --grid {output.grid:q}"
        " --manifest {output.manifest:q} --settings {params.settings:q} --work {resources.work:q}"
        " --device {resources.device} > {log:q} 2>&1"


rule gan_train:
    input:
        slices=P("slices.index"),
        slices_manifest=P("slices.manifest"),
        encoder=P("encoder.weights"),
        encoder_manifest=P("encoder.manifest"),
        previous=PLAN.stage_before("weights"),
        previous_manifest=PLAN.stage_before("manifest"),
        start=PLAN.start_files,
    output:
        weights=P("gan.weights"),
        last=P("gan.last"),
        history=P("gan.history"),
        grid=P("gan.grid"),
        manifest=P("gan.manifest"),
    log:
        P.log("gan_train_{source}"),
    benchmark:
        P.benchmark("gan_train_{source}")
    wildcard_constraints:
        source=PLAN.only("gan"),
    # As for the encoder: arms that need no generator wait their turn.
    priority: 90
    retries: RETRIES
    conda:
        f"../{ENVIRONMENT}"
    threads: PLAN.threads("gan")
    resources:
        **PLAN.gpu,
        mem_mb=6000,
        runtime=1440,
        device=PLAN.device,
        work=PLAN.work,
    params:
        settings=PLAN.settings("gan"),
        code=PLAN.code("gan"),
    shell:
        "exec radgen gan --slices {input.slices:q} --slices-manifest {input.slices_manifest:q}"
        " --encoder {input.encoder:q} --encoder-manifest {input.encoder_manifest:q} --source {wildcards.source}"
        " --previous {input.previous:q}"
        " --weights {output.weights:q} --last {output.last:q} --history {output.history:q} --grid {output.grid:q}"
        " --manifest {output.manifest:q} --settings {params.settings:q} --work {resources.work:q}"
        " --device {resources.device} > {log:q} 2>&1"


rule gan:
    input:
        expand(P("gan.weights"), source=PLAN.sources_of("gan")),


# With `sample.jobs: 4` four jobs make whole shards each, and `sample` lays them side by side.
rule sample_draft:
    input:
        weights=P("gan.weights"),
        gan_manifest=P("gan.manifest"),
        slices=P("slices.index"),
    output:
        folder=temp(directory(P("sample.draft"))),
    log:
        P.log("sample_draft_{source}_{job}"),
    benchmark:
        P.benchmark("sample_draft_{source}_{job}")
    conda:
        f"../{ENVIRONMENT}"
    threads: PLAN.threads("sample")
    resources:
        **PLAN.gpu,
        mem_mb=4000,
        runtime=240,
        device=PLAN.device,
        jobs=len(PLAN.sample_jobs),
    params:
        settings=PLAN.settings("sample_draft"),
        code=PLAN.code("sample_draft"),
    shell:
        "exec radgen sample-draft --weights {input.weights:q} --gan-manifest {input.gan_manifest:q}"
        " --slices {input.slices:q} --source {wildcards.source} --job {wildcards.job} --jobs {resources.jobs:q}"
        " --folder {output.folder:q} --settings {params.settings:q} --device {resources.device} > {log:q} 2>&1"


rule sample_source:
    input:
        drafts=expand(P("sample.draft"), job=PLAN.sample_jobs, allow_missing=True),
        weights=P("gan.weights"),
        gan_manifest=P("gan.manifest"),
        slices=P("slices.index"),
        slices_manifest=P("slices.manifest"),
    output:
        index=P("sample.part_index"),
        manifest=P("sample.part_manifest"),
    log:
        P.log("sample_source_{source}"),
    benchmark:
        P.benchmark("sample_source_{source}")
    wildcard_constraints:
        source=PLAN.only("gan"),
    conda:
        f"../{ENVIRONMENT}"
    threads: PLAN.threads("sample")
    resources:
        **PLAN.sample_gpu,
        mem_mb=4000,
        runtime=240,
        device=PLAN.device,
    params:
        settings=PLAN.settings("sample"),
        code=PLAN.code("sample"),
    shell:
        "exec radgen sample --drafts {input.drafts:q} --weights {input.weights:q} --gan-manifest {input.gan_manifest:q}"
        " --slices {input.slices:q} --slices-manifest {input.slices_manifest:q} --source {wildcards.source}"
        " --index {output.index:q} --manifest {output.manifest:q} --settings {params.settings:q}"
        " --device {resources.device} > {log:q} 2>&1"


# Images made elsewhere lie where samples do, so that everything reads them alike.
rule source_images:
    input:
        unpack(PLAN.imported(storage)),
    output:
        index=P("sample.part_index"),
        manifest=P("sample.part_manifest"),
    log:
        P.log("source_images_{source}"),
    benchmark:
        P.benchmark("source_images_{source}")
    wildcard_constraints:
        source=PLAN.only("images"),
    conda:
        f"../{ENVIRONMENT}"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=PLAN.settings("source_images"),
        code=PLAN.code("source_images"),
    shell:
        "exec radgen source-images --images {input.folder:q}/index.parquet --images-manifest {input.folder:q}/manifest.json"
        " --source {wildcards.source} --index {output.index:q} --manifest {output.manifest:q}"
        " --settings {params.settings:q} > {log:q} 2>&1"


rule sample_gather:
    input:
        parts=expand(P("sample.part_index"), source=PLAN.sources),
        manifests=expand(P("sample.part_manifest"), source=PLAN.sources),
    output:
        index=P("sample.index"),
        manifest=P("sample.manifest"),
    log:
        P.log("sample_gather"),
    benchmark:
        P.benchmark("sample_gather")
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


rule sample:
    input:
        P("sample.index"),
