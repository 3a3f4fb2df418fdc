/** The look of the page, light and dark. Nothing is loaded: no font, no image, no script. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --text: #1a2230; --faint: #5b6675; --line: #dfe3e9; --track: #eceff3;
  --old: #2f6fde; --new: #0d8a7b; --microvisor: #8a46d6; --firmware: #9aa5b4; --other: #b7791f;
  --good: #1a7f43; --bad: #cf2f2f; --notable: #a35f00; --median: #2f6fde; --max: #b9cdf3;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12161d; --card: #1a2029; --text: #e4e9f0; --faint: #97a3b4; --line: #2d3643; --track: #232b36;
    --old: #6ea2ff; --new: #35c2ae; --microvisor: #b98af2; --firmware: #5f6b7b; --other: #e0a94a;
    --good: #4cc07a; --bad: #ff6b6b; --notable: #f0ad4e; --median: #6ea2ff; --max: #2f4468;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; }
main { max-width: 1200px; margin: 0 auto; padding: 28px 24px 48px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0 0 4px; }
h2 { font-size: 17px; margin: 32px 0 10px; }
p { margin: 4px 0; }
.faint { color: var(--faint); }
.outcome { font-weight: 600; }
.good { color: var(--good); } .bad { color: var(--bad); } .notable { color: var(--notable); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(146px, 1fr)); gap: 12px; margin: 20px 0 0; padding: 0; }
.figures div { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 12px 14px; }
.figures dt { color: var(--faint); font-size: 13px; }
.figures dd { margin: 0; font-size: 24px; font-weight: 600; font-variant-numeric: tabular-nums; }
.figures dd small { display: block; font-size: 12.5px; font-weight: 400; color: var(--faint); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 14px 16px; overflow-x: auto; }
.failure { border-left: 4px solid var(--bad); }
.failure pre { margin: 6px 0; white-space: pre-wrap; font-size: 13px; }
svg { display: block; width: 100%; min-width: 760px; height: auto; font: 12px system-ui, "DejaVu Sans", sans-serif; }
svg text { fill: var(--text); } svg .faint { fill: var(--faint); } svg .title { font-weight: 600; }
.grid { stroke: var(--line); } .track { fill: var(--track); }
.succeeded { fill: var(--good); } .failed { fill: var(--bad); } .paused { fill: var(--notable); }
.step { fill: var(--card); opacity: .28; } .step.dark { opacity: 0; }
.up { fill: var(--good); opacity: .55; } .down { fill: var(--bad); }
.median { fill: none; stroke: var(--median); stroke-width: 1.5; } .max { fill: var(--max); }
.trap { fill: var(--microvisor); opacity: .75; }
.old { fill: var(--old); } .new { fill: var(--new); } .Microvisor { fill: var(--microvisor); }
.firmware { fill: var(--firmware); } .other { fill: var(--other); }
svg .on { fill: var(--card); font-size: 11px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th { text-align: right; color: var(--faint); font-weight: 500; font-size: 13px; }
td { text-align: right; } th:first-child, td:first-child, .text { text-align: left; }
th, td { padding: 5px 10px; border-bottom: 1px solid var(--line); white-space: nowrap; }
tbody tr:last-child td { border-bottom: 0; }
.bar { display: flex; height: 12px; min-width: 180px; background: var(--track); border-radius: 3px; overflow: hidden; }
.bar i { background: var(--other); } .bar .old { background: var(--old); } .bar .new { background: var(--new); }
.bar .ran, .legend .ran::before { background: var(--good); } .bar .waited, .legend .waited::before { background: var(--bad); }
.bar .monitor, .legend .monitor::before { background: var(--microvisor); }
.bar .idle, .legend .idle::before { background: var(--line); }
.legend { color: var(--faint); font-size: 13px; margin-top: 8px; }
.legend span { margin-right: 14px; }
.legend span::before { content: ""; display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 5px; }
.card + .card { margin-top: 12px; }
.wrap { white-space: normal; }
details { margin: 6px 0; } summary { cursor: pointer; }
footer { margin-top: 28px; color: var(--faint); font-size: 13px; }
@media print { body { background: none; } .card, .figures div { break-inside: avoid; } }
`;
