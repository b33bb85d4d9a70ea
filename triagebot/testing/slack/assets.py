"""The page's style and its few lines of script, kept in the package so that it needs no files beside it."""

from typing import Final

STYLE: Final = """
:root{--ink:#1d1c1d;--quiet:#616061;--line:#e4e2e4;--link:#1264a3;--go:#007a5a;--stop:#c01343;--side:#3f0e40}
*{box-sizing:border-box}
body{margin:0;color:var(--ink);background:#fff;
  font:15px/1.47 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:54rem;padding:0 1.25rem 6rem}
h2{font-size:1.1rem;margin:0 -1.25rem .5rem;padding:.8rem 1.25rem;border-bottom:1px solid var(--line)}
h3{font-size:1.1rem;margin:.35rem 0}
p{margin:.15rem 0}
a{color:var(--link);text-decoration:none}
a:hover{text-decoration:underline}
hr{border:0;border-top:1px solid var(--line);margin:.6rem 0}
pre,code{font:12.5px/1.5 ui-monospace,Menlo,Consolas,monospace;background:#f8f8f8;border:1px solid var(--line);
  border-radius:4px}
pre{padding:.5rem;margin:.3rem 0;overflow-x:auto;white-space:pre-wrap}
code{padding:0 .25rem;color:#a30f3c}
blockquote{margin:.2rem 0;padding-left:.75rem;border-left:4px solid #ddd}
.thread{padding:.35rem 0}
.message{display:flex;gap:.6rem;padding:.35rem .4rem;border-radius:6px}
.message:hover{background:#f8f8f8}
.message.private{background:#fdf8ec}
.content{flex:1;min-width:0;overflow-wrap:anywhere}
.avatar{flex:none;width:36px;height:36px;border-radius:6px;background:#7c8a99;color:#fff;display:grid;
  place-items:center;font-weight:700}
.avatar.app{background:#4a154b}
.head{display:flex;align-items:baseline;gap:.4rem}
time,.quiet,.count,.empty{color:var(--quiet);font-size:12px}
.badge{font-size:10px;font-weight:600;color:var(--quiet);background:#e8e8e8;border-radius:3px;padding:0 .25rem}
.replies{margin:.1rem 0 .4rem 2.6rem;padding-left:.6rem;border-left:2px solid var(--line)}
.count{color:var(--link);font-weight:600;padding:.1rem .4rem}
.section{display:flex;gap:1rem;margin:.3rem 0}
.main{flex:1;min-width:0}
.fields{display:grid;grid-template-columns:1fr 1fr;gap:.4rem 1rem;margin-top:.3rem}
.context{color:var(--quiet);font-size:12.5px;display:flex;flex-wrap:wrap;gap:.2rem .6rem;margin:.25rem 0}
.actions{display:flex;flex-wrap:wrap;gap:.5rem;margin:.45rem 0}
.actions form,.section form{display:inline}
button,.button,select,input,textarea{font:inherit}
button,.button,select{display:inline-block;background:#fff;border:1px solid #bbb;border-radius:4px;
  padding:.25rem .7rem;font-weight:600;font-size:13.5px;color:var(--ink)}
button{cursor:pointer}
button:hover,select:hover{background:#f4f4f4}
.primary{background:var(--go);border-color:var(--go);color:#fff}
button.primary:hover{background:#148567}
.danger{background:var(--stop);border-color:var(--stop);color:#fff}
button.danger:hover{background:#d72b59}
.menu::after{content:" ▾"}
.chip{display:inline-block;background:#f1f1f1;border-radius:10px;padding:0 .5rem;margin-right:.3rem;
  font-size:12.5px}
.ref{background:#e8f5fa;color:var(--link);border-radius:3px;padding:0 .15rem}
.attachment{border-left:4px solid #ddd;padding-left:.7rem;margin:.3rem 0}
.file{border:1px solid var(--line);border-radius:6px;padding:.5rem .7rem;margin:.35rem 0;max-width:40rem}
figure{margin:.35rem 0}
figcaption{color:var(--quiet);font-size:13px}
figure img{max-width:100%;border:1px solid var(--line);border-radius:6px}
.markdown{white-space:pre-wrap}
table{border-collapse:collapse;font-size:13.5px;margin:.4rem 0}
td{border:1px solid var(--line);padding:.2rem .55rem}
thead td{font-weight:700;background:#f8f8f8}
.input{margin:.7rem 0}
.input select,.input input,.input textarea{display:block;width:100%;margin:.25rem 0;padding:.35rem .5rem;
  border:1px solid #bbb;border-radius:4px;font-weight:400}
""".strip()
LAYOUT: Final = """
nav{position:fixed;inset:0 auto 0 0;width:14rem;background:var(--side);color:#fff;padding:1rem .7rem;
  overflow:auto}
nav a,nav button{display:block;width:100%;text-align:left;color:#d9c9d9;background:none;border:0;
  padding:.2rem .5rem;border-radius:5px;font-weight:400}
nav a.on{background:#1164a3;color:#fff}
nav a:hover,nav button:hover{background:#350d36;text-decoration:none}
nav .me{color:#cbb3cc;font-size:13px;margin:0 0 1rem}
nav b{font-size:1.05rem}
nav form{margin-top:1rem}
main{margin-left:14rem}
.flash{background:#fdf1e3;border-left:4px solid #e8912d;padding:.4rem .7rem;border-radius:3px}
#composer{position:fixed;bottom:0;left:14rem;right:0;background:#fff;padding:.7rem 1.25rem}
#composer input{width:100%;max-width:52rem;padding:.6rem .8rem;border:1px solid #bbb;border-radius:8px}
.shade{position:fixed;inset:0;background:#0008;display:grid;place-items:center;z-index:2}
.modal{background:#fff;border-radius:10px;width:min(34rem,94vw);max-height:86vh;overflow:auto;
  padding:0 1.25rem 1rem}
.foot{display:flex;justify-content:flex-end;gap:.6rem;margin-top:1rem}
""".strip()
SCRIPT: Final = """
let version = null;
async function refresh() {
  try {
    const answer = await (await fetch(document.body.dataset.source)).json();
    if (version !== null && version !== answer.version) {
      const low = innerHeight + scrollY > document.body.scrollHeight - 80;
      document.getElementById('live').innerHTML = answer.html;
      if (low) scrollTo(0, document.body.scrollHeight);
    }
    version = answer.version;
  } catch (gone) { /* the server is being restarted: keep what is shown */ }
  setTimeout(refresh, 1000);
}
document.addEventListener('change', event => {
  if (event.target.matches('select[data-now]')) event.target.form.requestSubmit();
});
scrollTo(0, document.body.scrollHeight);
refresh();
""".strip()
