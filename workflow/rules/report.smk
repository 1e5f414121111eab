# Quality-control pages, figures from tables and image sets alone, and the page that holds them.


rule qc_pages:
    input:
        PLAN.qc_inputs,
    output:
        page=report(P("qc.page"), category="Quality control"),
        manifest=P("qc.manifest"),
    log:
        P.log("qc_pages"),
    benchmark:
        P.benchmark("qc_pages")
    conda:
        f"../{ENVIRONMENT}"
    resources:
        mem_mb=2000,
        runtime=60,
        results=PLAN.path.root,
    params:
        settings=PLAN.settings("qc"),
        code=PLAN.code("qc"),
    shell:
        "exec radgen qc --results {resources.results:q} --tables {input:q} --page {output.page:q}"
        " --manifest {output.manifest:q} --settings {params.settings:q} > {log:q} 2>&1"


rule qc:
    input:
        P("qc.page"),


rule interpolation:
    input:
        weights=P("gan.weights"),
        gan_manifest=P("gan.manifest"),
    output:
        index=P("interpolation.index"),
        manifest=P("interpolation.part_manifest"),
    log:
        P.log("interpolation_{source}"),
    benchmark:
        P.benchmark("interpolation_{source}")
    conda:
        f"../{ENVIRONMENT}"
    resources:
        mem_mb=2000,
        runtime=30,
        device=PLAN.device,
    params:
        settings=PLAN.settings("interpolation"),
        code=PLAN.code("interpolation"),
    shell:
        "exec radgen interpolation --weights {input.weights:q} --gan-manifest {input.gan_manifest:q}"
        " --source {wildcards.source} --index {output.index:q} --manifest {output.manifest:q}"
        " --settings {params.settings:q} --device {resources.device} > {log:q} 2>&1"


rule figures_draw:
    input:
        PLAN.report_inputs,
    output:
        list=P("figures.list"),
        manifest=P("figures.manifest"),
    log:
        P.log("figures_draw"),
    benchmark:
        P.benchmark("figures_draw")
    conda:
        f"../{ENVIRONMENT}"
    resources:
        mem_mb=3000,
        runtime=60,
        results=PLAN.path.root,
    params:
        settings=PLAN.settings("figures"),
        code=PLAN.code("figures"),
        folder=PLAN.folder_of("list"),
    shell:
        "exec radgen figures --results {resources.results:q} --tables {input:q} --folder {params.folder:q}"
        " --manifest {output.manifest:q} --settings {params.settings:q} > {log:q} 2>&1"


rule figures:
    input:
        P("figures.list"),


rule report:
    input:
        tables=PLAN.report_inputs,
        figures=P("figures.list"),
        qc=P("qc.page"),
    output:
        page=report(P("report.page"), category="Report"),
        manifest=P("report.manifest"),
    log:
        P.log("report"),
    benchmark:
        P.benchmark("report")
    conda:
        f"../{ENVIRONMENT}"
    resources:
        mem_mb=2000,
        runtime=60,
        results=PLAN.path.root,
    params:
        settings=PLAN.settings("report"),
        code=PLAN.code("report"),
    shell:
        "exec radgen report --results {resources.results:q} --figures {input.figures:q} --page {output.page:q}"
        " --manifest {output.manifest:q} --settings {params.settings:q} > {log:q} 2>&1"
