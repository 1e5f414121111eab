"""What the gallery adds to the report's look."""

GALLERY_STYLE = """
header{padding:2rem 0 1.2rem;margin-bottom:1.2rem}
h1{font-size:1.9rem}.lead{font-size:1rem}
#filters{display:flex;flex-wrap:wrap;gap:.6rem .9rem;align-items:end;position:sticky;top:0;z-index:2;
background:#fff;padding:.7rem 0;border-bottom:1px solid var(--rule);font-size:.82rem}
#filters label,#filters fieldset{display:flex;flex-direction:column;gap:.2rem;color:var(--muted);min-width:0}
#filters fieldset{flex-flow:row wrap;border:0;padding:0;margin:0;width:11.4rem}
#filters legend{padding:0;margin-bottom:.2rem}
#filters fieldset input{width:calc(50% - .2rem)}
#filters .check-box{flex-direction:row;align-items:center;height:2.1rem;color:var(--ink)}
select,input[type=number],button{font:inherit;color:var(--ink);background:#fff;border:1px solid #b9c2cb;
border-radius:.35rem;padding:.3rem .5rem;height:2.1rem;max-width:100%}
select{max-width:12rem}button{cursor:pointer}button:hover{background:var(--band)}
#status{margin:.7rem 0;font-size:.85rem;color:var(--muted);font-variant-numeric:tabular-nums}
#grid{position:relative}
.tile{position:absolute;padding:0;border:0;border-radius:.25rem;background:#0c1116 no-repeat;overflow:hidden}
.tile:hover,.tile:focus-visible{outline:3px solid var(--real);outline-offset:1px}
.tile i,.stack .image,.stack .mask{position:absolute;inset:0;background-repeat:no-repeat}
.pixels{image-rendering:pixelated}
dialog{border:0;border-radius:.7rem;padding:1.2rem 1.4rem 1.4rem;width:min(46rem,calc(100vw - 1.5rem));
max-height:calc(100vh - 1.5rem);overflow:auto;box-shadow:0 1rem 4rem #0007;color:var(--ink)}
dialog::backdrop{background:#0c1116cc}
dialog h2{font:600 1rem/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere;
margin:0 8.5rem .9rem 0;min-height:2.3rem}
.bar{position:absolute;right:1.2rem;top:1rem;display:flex;gap:.4rem}
.bar button{width:2.3rem;height:2.3rem;padding:0;font-size:1.25rem;line-height:1}
.views{display:flex;gap:1rem}.views figure{flex:1 1 0;min-width:0;margin:0;max-width:21rem}
.views figcaption{margin-top:.4rem;font-size:.8rem}
.stack{position:relative;aspect-ratio:1;background:#0c1116;border-radius:.35rem;overflow:hidden}
#mask-line{display:flex;flex-wrap:wrap;gap:.3rem 1rem;align-items:center;margin:.8rem 0;font-size:.85rem}
#legend{display:flex;flex-wrap:wrap;gap:.2rem .9rem;list-style:none;padding:0;margin:0}
#legend li{margin:0;font-size:.85rem}
#legend i{display:inline-block;width:.75rem;height:.75rem;border-radius:.15rem;margin-right:.35rem}
#facts{font-size:.85rem;gap:.15rem 1.2rem;margin:.9rem 0}#facts dd{overflow-wrap:anywhere}
dialog pre{margin:.2rem 0 0;white-space:pre-wrap;overflow-wrap:anywhere;user-select:all}
dialog .what{margin:0;font-size:.8rem;color:var(--muted)}
[hidden]{display:none!important}
@media(max-width:40rem){.page{padding:0 .8rem 3rem}h1{font-size:1.4rem}
header{padding:1.2rem 0 .8rem;margin-bottom:.4rem}
#filters{position:static;gap:.5rem .7rem}#filters label{flex:1 1 7rem}#filters fieldset{flex:1 1 9rem}
dialog{padding:1rem}dialog h2{margin-right:8rem;font-size:.88rem}.views{gap:.6rem}#facts{grid-template-columns:1fr}
#facts dd{margin-bottom:.35rem}}
@media print{#filters,dialog{display:none}}
"""
