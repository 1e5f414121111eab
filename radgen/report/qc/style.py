"""What the quality-control pages add to the report's look: cards of series in columns."""

QC_STYLE = """
main{max-width:none}
.cards{grid-template-columns:repeat(auto-fit,minmax(10.5rem,1fr))}
figure{max-width:60rem}
.back{font-size:.9rem;margin:1rem 0}
.checks{display:grid;grid-template-columns:repeat(auto-fill,minmax(17rem,1fr));gap:1.1rem;margin:1.2rem 0 2rem}
.check{border:1px solid var(--rule);border-radius:.6rem;padding:.9rem;min-width:0;break-inside:avoid}
.check.stands-out{border-color:#dfa7a2;box-shadow:inset 0 3px 0 var(--warn)}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:4px;background:#0c1116;border-radius:.35rem;overflow:hidden}
.pair img{display:block;width:100%;height:auto;aspect-ratio:1;object-fit:contain;image-rendering:auto}
.pair>div{position:relative}
.pair span{position:absolute;left:.4rem;bottom:.3rem;font-size:.66rem;letter-spacing:.05em;color:#fff;
text-shadow:0 0 3px #000,0 0 2px #000}
.nothing{display:grid;place-items:center;aspect-ratio:1;color:#9aa6b2;font-size:.78rem}
.check h3.key{font-size:.86rem;margin:.7rem 0 0;overflow-wrap:anywhere}
.check .origin{font-size:.8rem;color:var(--muted);margin:.1rem 0 .5rem}
.chips{display:flex;flex-wrap:wrap;gap:.3rem;list-style:none;margin:0 0 .6rem;padding:0}
.chips li{font-size:.74rem;line-height:1.35;padding:.15rem .5rem;border-radius:.3rem;margin:0;
background:var(--band);border:1px solid var(--rule)}
.chips .alarm{background:#fdf3f2;border-color:#e9c4c1;color:#8f1d17}
.chips .note{background:#fff5ec;border-color:#f0cfae;color:#8a3b00}
.check dl{grid-template-columns:4.9rem minmax(0,1fr);gap:.06rem .6rem;
font-size:.78rem;line-height:1.45;margin:0 0 .6rem;font-variant-numeric:tabular-nums}
.check svg{display:block;width:100%;height:34px;border-bottom:1px solid #b9c2cb}
.check svg .window{fill:#eef4f9}.check svg .removed{fill:#c9d0d7}.check svg .kept{fill:var(--real);fill-opacity:.72}
.pages{display:flex;flex-wrap:wrap;gap:.4rem .5rem;list-style:none;padding:0;max-width:none}
.pages a{display:block;padding:.2rem .7rem;border:1px solid var(--rule);border-radius:.3rem;text-decoration:none;
font-size:.85rem;font-variant-numeric:tabular-nums}
.steps{display:flex;gap:1.5rem;position:static;margin:0 0 3rem}
@media print{.checks{display:block}.check{margin:0 0 1rem}}
"""
