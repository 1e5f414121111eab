# Quality-control pages, figures from tables and image sets alone, and the page that holds them.


rule qc_pages:
    input:
        PLAN.qc_inputs,
    output:
        page=report(
            P("qc.page"), caption="../report/qc.rst", category="Quality control"
        ),
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
    wildcard_constraints:
        source=PLAN.only("gan"),
    conda:
        f"../{ENVIRONMENT}"
    resources:
        **PLAN.gpu,
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
        folder=report(
            directory(P("figures.folder")),
            patterns=["{figure}.png"],
            caption="../report/figure.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
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
    shell:
        "exec radgen figures --results {resources.results:q} --tables {input:q} --folder {output.folder:q}"
        " --manifest {output.manifest:q} --settings {params.settings:q} > {log:q} 2>&1"


rule figures:
    input:
        P("figures.folder"),


rule gallery_internal:
    input:
        PLAN.report_inputs,
    output:
        folder=report(
            directory(P("gallery.folder")),
            htmlindex="index.html",
            caption="../report/gallery.rst",
            category="Gallery",
        ),
        manifest=P("gallery.manifest"),
    log:
        P.log("gallery_internal"),
    benchmark:
        P.benchmark("gallery_internal")
    conda:
        f"../{ENVIRONMENT}"
    resources:
        mem_mb=3000,
        runtime=60,
        results=PLAN.path.root,
    params:
        settings=PLAN.settings("gallery"),
        code=PLAN.code("gallery"),
        edition="",
    shell:
        "exec radgen gallery --results {resources.results:q} --tables {input:q} --folder {output.folder:q}"
        " --manifest {output.manifest:q} --settings {params.settings:q} {params.edition} > {log:q} 2>&1"


use rule gallery_internal as gallery_shareable with:
    output:
        folder=directory(P("share.gallery")),
        manifest=P("share.gallery_manifest"),
    log:
        P.log("gallery_shareable"),
    benchmark:
        P.benchmark("gallery_shareable")
    params:
        settings=PLAN.settings("gallery"),
        code=PLAN.code("gallery"),
        edition="--shareable",


rule gallery:
    input:
        P("gallery.manifest"),


rule report:
    input:
        tables=PLAN.report_inputs,
        figures=P("figures.folder"),
        gallery=P("gallery.manifest"),
        qc=P("qc.page"),
    output:
        page=report(P("report.page"), caption="../report/page.rst", category="Report"),
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
        edition="",
    shell:
        "exec radgen report --results {resources.results:q} --figures {input.figures:q}/figures.json"
        " --page {output.page:q} --manifest {output.manifest:q} --settings {params.settings:q} {params.edition}"
        " > {log:q} 2>&1"


use rule report as report_shareable with:
    input:
        tables=PLAN.report_inputs,
        figures=P("figures.folder"),
        gallery=P("share.gallery_manifest"),
    output:
        page=report(
            P("share.page"),
            caption="../report/share.rst",
            category="Shareable edition",
        ),
        manifest=P("share.manifest"),
    log:
        P.log("report_shareable"),
    benchmark:
        P.benchmark("report_shareable")
    params:
        settings=PLAN.settings("report"),
        code=PLAN.code("report"),
        edition="--shareable",


rule share:
    input:
        P("share.page"),
