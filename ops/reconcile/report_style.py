"""How the report looks: light, dark and on paper. Colours differ in brightness too, for those who see none."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root { --page: #fbfbfa; --card: #ffffff; --text: #1b1f24; --quiet: #57606a; --line: #d8dee4; --track: #eceff2;
  --ok: #1a7f64; --wait: #d4a72c; --bad: #b3261e; --link: #0550ae; }
@media (prefers-color-scheme: dark) {
  :root { --page: #0f1215; --card: #171b20; --text: #e6e9ed; --quiet: #9aa4af; --line: #2d333b; --track: #232930;
    --ok: #3fb68b; --wait: #e3b341; --bad: #f0716a; --link: #79b8ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem; max-width: 76rem; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { margin: 0; font-size: 1.7rem; line-height: 1.25; }
h2 { margin: 0 0 .75rem; font-size: 1.15rem; }
h3 { margin: 1rem 0 .25rem; font-size: 1rem; }
p { margin: .25rem 0; }
.lead, .quiet, .about, caption, footer, figcaption { color: var(--quiet); }
.note { border-left: 3px solid var(--wait); padding-left: .75rem; margin: .75rem 0; }
section { margin: 1.25rem 0; padding: 1.25rem;
  background: var(--card); border: 1px solid var(--line); border-radius: 8px; }
section:first-child { padding: 0; border: 0; background: none; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: .75rem; margin: 0; }
.tile { padding: .9rem 1rem; background: var(--card); border: 1px solid var(--line); border-top: 3px solid var(--ok);
  border-radius: 8px; min-width: 0; }
.tile.bad { border-top-color: var(--bad); }
.tile dt { color: var(--quiet); font-size: .85rem; }
.tile dd { margin: 0; overflow-wrap: anywhere; }
.figure { font-size: 1.2rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.about { font-size: .85rem; }
figure { margin: 0 0 1rem; overflow-x: auto; }
figcaption .entry { margin-right: 1.25rem; white-space: nowrap; }
.key { display: inline-block; width: .8em; height: .8em; margin-right: .4em; border-radius: 2px; }
.key.ok { background: var(--ok); } .key.wait { background: var(--wait); } .key.bad { background: var(--bad); }
.chart { display: block; width: 100%; min-width: 32rem; max-width: 52rem; height: auto; }
.chart text { fill: var(--text); font-size: 13px; dominant-baseline: central; }
.chart .track { fill: var(--track); } .chart .ok { fill: var(--ok); } .chart .wait { fill: var(--wait); }
.chart .bad { fill: var(--bad); } .chart .value { font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; margin-top: .75rem; }
table { width: 100%; border-collapse: collapse; font-size: .9rem; }
caption { text-align: left; padding-bottom: .35rem; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { border-bottom: 2px solid var(--line); white-space: nowrap; }
tbody th { font-weight: 500; white-space: nowrap; }
td { overflow-wrap: break-word; } bdi { overflow-wrap: anywhere; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; overflow-wrap: normal; }
code { font-size: .85em; overflow-wrap: anywhere; }
.severity { padding: 0 .4em; border: 1px solid var(--line); border-radius: 4px; font-size: .85em; }
.severity.high, .severity.critical, .late { color: var(--bad); border-color: var(--bad); font-weight: 600; }
.verdict { font-weight: 600; } .verdict.bad { color: var(--bad); } .verdict.ok { color: var(--ok); }
@media print {
  :root { --page: #fff; --card: #fff; --text: #000; --quiet: #444; --line: #bbb; --track: #eee;
    --ok: #1a7f64; --wait: #d4a72c; --bad: #b3261e; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  section { border: 0; padding: 0; } .wide { overflow: visible; } thead { display: table-header-group; }
  tr, figure, .tile { break-inside: avoid; } h2, h3 { break-after: avoid; }
  .chart rect, .key { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  @page { margin: 15mm; } }
"""
