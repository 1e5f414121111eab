"""The look of the report page: one style sheet, no scripts, no fonts from elsewhere."""

STYLE = """
:root{--ink:#1b2733;--muted:#5f6b7a;--rule:#dfe4e9;--band:#f5f7f9;--real:#0072b2;--synthetic:#c24f00;--warn:#b3261e;
--good:#00755a}
*{box-sizing:border-box}
html{font:16px/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;color:var(--ink);
background:#fff;-webkit-text-size-adjust:100%;scroll-behavior:smooth;scroll-padding-top:1.5rem}
body{margin:0}
a{color:var(--real);text-underline-offset:.15em}
.page{max-width:78rem;margin:0 auto;padding:0 1.5rem 5rem}
header{padding:3.5rem 0 2rem;border-bottom:1px solid var(--rule);margin-bottom:2.5rem}
.kicker{font-size:.8rem;letter-spacing:.08em;text-transform:uppercase;color:var(--muted);margin:0 0 .5rem}
h1{font-size:2.5rem;line-height:1.12;letter-spacing:-.022em;margin:0 0 1rem;font-weight:700;overflow-wrap:anywhere}
.lead{font-size:1.12rem;color:#3a4654;max-width:46rem;margin:0}
.badges{display:flex;flex-wrap:wrap;gap:.4rem;margin:1.3rem 0 0;padding:0;list-style:none}
.badges li{font-size:.74rem;font-weight:650;letter-spacing:.04em;padding:.2rem .65rem;border-radius:1rem;
background:var(--band);border:1px solid var(--rule)}
.badges .alarm{background:var(--warn);border-color:var(--warn);color:#fff}
.badges .note{background:#fff5ec;border-color:#f0cfae;color:#8a3b00}
.columns{display:grid;grid-template-columns:11.5rem minmax(0,1fr);gap:3.5rem}
nav{font-size:.87rem;position:sticky;top:1.5rem;align-self:start}
nav ol{list-style:none;margin:0;padding:0;border-left:1px solid var(--rule)}
nav a{display:block;padding:.22rem 0 .22rem .9rem;color:var(--muted);text-decoration:none}
nav a:hover{color:var(--ink)}
main{max-width:56rem;min-width:0}
section{margin:0 0 4rem}
h2{font-size:1.5rem;letter-spacing:-.014em;line-height:1.25;margin:0 0 1rem}
h3{font-size:1.05rem;margin:2.2rem 0 .6rem;line-height:1.35}
p{margin:0 0 1rem;max-width:46rem}
.notice{border-left:3px solid var(--warn);background:#fdf3f2;padding:.8rem 1.1rem;margin:0 0 1.2rem;
border-radius:0 .3rem .3rem 0}
.notice.calm{border-color:#e08a3c;background:#fff8f1}
.notice p{margin:0}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr));gap:1rem;margin:0 0 1.6rem}
.card{border:1px solid var(--rule);border-radius:.6rem;padding:1.1rem 1.25rem}
.card .what{font-size:.82rem;color:var(--muted);margin:0}
.card .value{font-size:2.1rem;font-weight:680;letter-spacing:-.02em;line-height:1.2;margin:.2rem 0 0;
font-variant-numeric:tabular-nums}
.card .interval{font-size:.92rem;font-variant-numeric:tabular-nums;margin:0 0 .5rem}
.card .verdict{font-size:.86rem;margin:0}
.card.better .value{color:var(--good)}.card.worse .value{color:var(--warn)}
figure{margin:1.6rem 0 2.2rem}
figure img{display:block;width:100%;height:auto;border:1px solid var(--rule);border-radius:.5rem;background:#fff}
.film{margin:.8rem 0 0}figure .film img{width:12rem}
figcaption{font-size:.87rem;line-height:1.5;color:#44505d;margin-top:.7rem;max-width:50rem}
figcaption b{color:var(--ink)}
.table{overflow-x:auto;margin:1.2rem 0 1.8rem}
table{border-collapse:collapse;width:100%;font-size:.87rem;line-height:1.4;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--muted);font-size:.85rem;padding-bottom:.5rem}
th,td{text-align:left;padding:.42rem .9rem .42rem 0;border-bottom:1px solid var(--rule);vertical-align:top}
th{font-weight:600;font-size:.78rem;color:var(--muted);white-space:nowrap;vertical-align:bottom;border-bottom-color:#b9c2cb}
.n{text-align:right;white-space:nowrap}small{color:var(--muted);font-size:.88em}
code,pre{font:.86em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
pre{background:var(--band);border:1px solid var(--rule);border-radius:.4rem;padding:.9rem 1.1rem;overflow-x:auto}
td code{white-space:nowrap}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.3rem 1.5rem;margin:0 0 1.2rem}
dt{color:var(--muted)}dd{margin:0}
.mark{font-weight:650}.mark.warn{color:var(--warn)}.mark.good{color:var(--good)}
ul{padding-left:1.2rem;max-width:46rem}li{margin:.25rem 0}
footer{border-top:1px solid var(--rule);padding-top:1.2rem;color:var(--muted);font-size:.85rem}
@media(max-width:60rem){.columns{display:block}nav{display:none}header{padding-top:2rem}h1{font-size:1.9rem}}
@media print{nav{display:none}.columns{display:block}.page{max-width:none;padding:0}header{padding-top:0}
figure,.card,tr{break-inside:avoid}h2,h3{break-after:avoid}html{font-size:10.5pt}a{color:inherit}main{max-width:none}}
"""
