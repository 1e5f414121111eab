# Images painted on label maps: training, samples with their maps as masks, final scores.


rule semantic_train:
    input:
        slices=P("slices.index"),
        slices_manifest=P("slices.manifest"),
        encoder=P("encoder.weights"),
        encoder_manifest=P("encoder.manifest"),
        annotator=P("annotator.weights"),
        annotator_manifest=P("annotator.manifest"),
        maps=PLAN.semantic.maps,
        start=PLAN.semantic.start,
    output:
        weights=P("semantic.weights"),
        best=P("semantic.best"),
        last=P("semantic.last"),
        history=P("semantic.history"),
        labels=P("semantic.labels"),
        seen=P("semantic.seen"),
        grid=P("semantic.grid"),
        manifest=P("semantic.manifest"),
    log:
        P.log("semantic_train_{source}"),
    benchmark:
        P.benchmark("semantic_train_{source}")
    wildcard_constraints:
        source=PLAN.only("semantic"),
    # As for other generators: arms that need none wait their turn.
    priority: 90
    retries: RETRIES
    conda:
        f"../{ENVIRONMENT}"
    threads: PLAN.threads("semantic")
    resources:
        **PLAN.gpu,
        mem_mb=6000,
        runtime=1440,
        device=PLAN.device,
        work=PLAN.work,
    params:
        settings=PLAN.settings("semantic"),
        code=PLAN.code("semantic"),
    shell:
        "exec radgen semantic --slices {input.slices:q} --slices-manifest {input.slices_manifest:q}"
        " --encoder {input.encoder:q} --encoder-manifest {input.encoder_manifest:q}"
        " --annotator {input.annotator:q} --annotator-manifest {input.annotator_manifest:q}"
        " --maps {input.maps:q} --start {input.start:q} --source {wildcards.source}"
        " --weights {output.weights:q} --best {output.best:q} --last {output.last:q} --history {output.history:q}"
        " --labels {output.labels:q} --seen {output.seen:q} --grid {output.grid:q} --manifest {output.manifest:q}"
        " --settings {params.settings:q} --work {resources.work:q} --device {resources.device} > {log:q} 2>&1"


rule semantic:
    input:
        expand(P("semantic.weights"), source=PLAN.sources_of("semantic")),


rule semantic_sample_source:
    input:
        weights=P("semantic.weights"),
        semantic_manifest=P("semantic.manifest"),
        maps=PLAN.semantic.painted,
        seen=PLAN.semantic.seen,
    output:
        index=P("sample.part_index"),
        grid=P("sample.part_grid"),
        manifest=P("sample.part_manifest"),
    log:
        P.log("semantic_sample_{source}"),
    benchmark:
        P.benchmark("semantic_sample_{source}")
    wildcard_constraints:
        source=PLAN.only("semantic"),
    conda:
        f"../{ENVIRONMENT}"
    threads: PLAN.threads("semantic_sample")
    resources:
        **PLAN.gpu,
        mem_mb=4000,
        runtime=240,
        device=PLAN.device,
    params:
        settings=PLAN.settings("semantic_sample"),
        code=PLAN.code("semantic_sample"),
    shell:
        "exec radgen semantic-sample --weights {input.weights:q} --maps {input.maps:q} --seen {input.seen:q}"
        " --index {output.index:q} --grid {output.grid:q} --manifest {output.manifest:q}"
        " --settings {params.settings:q} --device {resources.device} > {log:q} 2>&1"


rule semantic_sample:
    input:
        expand(P("sample.part_index"), source=PLAN.sources_of("semantic")),


rule semantic_scores_source:
    input:
        weights=P("semantic.weights"),
        semantic_manifest=P("semantic.manifest"),
        slices=P("slices.index"),
        slices_manifest=P("slices.manifest"),
        judge=P("judge.weights"),
        judge_manifest=P("judge.manifest"),
        annotator=P("annotator.weights"),
        annotator_manifest=P("annotator.manifest"),
        networks=[*PLAN.scoring_weights.values(), *PLAN.pair_weights.values()],
    output:
        scores=P("semantic.scores"),
        grid=P("semantic.scores_grid"),
        manifest=P("semantic.scores_manifest"),
    log:
        P.log("semantic_scores_{source}"),
    benchmark:
        P.benchmark("semantic_scores_{source}")
    conda:
        f"../{ENVIRONMENT}"
    threads: PLAN.threads("semantic_scores")
    resources:
        **PLAN.gpu,
        mem_mb=4000,
        runtime=120,
        device=PLAN.device,
    params:
        settings=PLAN.settings("semantic_scores"),
        code=PLAN.code("semantic_scores"),
    shell:
        "exec radgen semantic-scores --weights {input.weights:q} --semantic-manifest {input.semantic_manifest:q}"
        " --slices {input.slices:q} --slices-manifest {input.slices_manifest:q} --judge {input.judge:q}"
        " --judge-manifest {input.judge_manifest:q} --annotator {input.annotator:q}"
        " --annotator-manifest {input.annotator_manifest:q} --source {wildcards.source} --scores {output.scores:q}"
        " --grid {output.grid:q} --manifest {output.manifest:q} --settings {params.settings:q}"
        " --device {resources.device} > {log:q} 2>&1"


rule semantic_scores:
    input:
        expand(P("semantic.scores"), source=PLAN.sources_of("semantic")),
