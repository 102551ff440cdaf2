"""The look of the report: one inline sheet, following the reader's light or dark setting."""

STYLE = """
:root { color-scheme: light dark; --page: #f6f7f9; --card: #ffffff; --ink: #1c2128;
  --soft: #5b6470; --line: #e1e5ea;
  --accent: #0072b2; --good: #00795a; --look: #b84a00; --look-ground: #fdf1e7; }
@media (prefers-color-scheme: dark) { :root { --page: #14171b; --card: #1d2126; --ink: #e4e8ec;
  --soft: #9aa4af; --line: #323840;
  --accent: #56b4e9; --good: #3fc39b; --look: #f2a65a; --look-ground: #2e2519; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); line-height: 1.5;
  font-family: system-ui, "Segoe UI", Roboto, "Noto Sans", Arial, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 0 0 12px; }
h3 { font-size: 0.95rem; margin: 20px 0 8px; }
.origin { color: var(--soft); margin: 4px 0 20px; overflow-wrap: anywhere; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 20px 22px;
  margin-bottom: 18px; }
p { margin: 8px 0; max-width: 75ch; }
.note { color: var(--soft); font-size: 0.92rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 10px;
  margin: 0 0 18px; }
.tile { border: 1px solid var(--line); border-radius: 10px; padding: 9px 13px; overflow-wrap: anywhere; }
.tile dt { color: var(--soft); font-size: 0.8rem; }
.tile dd { margin: 0; font-weight: 600; font-variant-numeric: tabular-nums; }
.tile.key dd { font-size: 1.35rem; line-height: 1.3; color: var(--accent); }
.verdict { font-size: 1.15rem; margin: 0 0 14px; }
.signs { list-style: none; margin: 0; padding: 0; }
.signs li { display: grid; grid-template-columns: 5.4rem 1fr; gap: 2px 12px; padding: 9px 0;
  border-top: 1px solid var(--line); }
.badge { font-size: 0.8rem; font-weight: 700; border: 1.5px solid currentColor; border-radius: 99px;
  padding: 0 10px; text-align: center; align-self: start; color: var(--soft); }
.badge.good { color: var(--good); } .badge.look { color: var(--look); }
.warnings { background: var(--look-ground); border-left: 4px solid var(--look); border-radius: 6px;
  padding: 10px 16px; margin: 14px 0 0; }
.warnings ul { margin: 4px 0; padding-left: 20px; overflow-wrap: anywhere; }
.row { display: grid; grid-template-columns: repeat(3, 1fr); gap: 12px; }
figure { margin: 0; } figcaption { color: var(--soft); font-size: 0.85rem; margin-top: 4px; }
.row img, .pair img { width: 100%; display: block; border-radius: 6px; background: #000; }
.plot img { width: 100%; max-width: 912px; display: block; }
.pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)); gap: 14px; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 4px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { text-align: left; padding: 4px 24px 4px 0; border-bottom: 1px solid var(--line);
  font-weight: 400; }
td.number { text-align: right; }
pre { overflow-x: auto; background: var(--page); border: 1px solid var(--line); border-radius: 8px;
  padding: 12px; font-size: 0.85rem; margin: 8px 0 0; }
summary { cursor: pointer; font-weight: 600; }
@media (max-width: 600px) { .row { grid-template-columns: 1fr; } }
@media print { section { break-inside: avoid; } }
"""
