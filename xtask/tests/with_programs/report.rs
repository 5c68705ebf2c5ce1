//! The page of a record, in a real browser.

#[path = "../it/report/recorded.rs"]
mod recorded;

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::Checkout;
use crate::programs::BROWSER;
use recorded::{RUN, record};

/// Looks at the page as a person would, and writes down what there is.
const PROBE: &str = r##"<script>{
const box = bar => bar.getBoundingClientRect();
const bars = [...document.querySelectorAll("#gantt [data-step]")].map(row => {
  const bar = row.querySelector(".bar"), track = row.querySelector(".track");
  return { step: row.dataset.step, state: row.dataset.state,
    left: Math.round((box(bar).left - box(track).left) / box(track).width * 100),
    width: Math.round(box(bar).width / box(track).width * 100) };
});
const shown = () => [...document.querySelectorAll("#log .line")].map(line => line.textContent);
const search = words => {
  document.getElementById("filter").value = words;
  document.getElementById("filter").dispatchEvent(new Event("input"));
  return shown();
};
const all = shown();
const result = { title: document.title, bars, all, bucket: search("BUCKET"), pattern: search("/start|finish/"), none: search("nothing"),
  count: document.getElementById("count").textContent, verdict: document.getElementById("verdict").textContent,
  parallel: document.getElementById("parallel").textContent, wide: document.documentElement.scrollWidth <= innerWidth,
  phases: [...document.querySelectorAll("[data-phase]")].map(row => row.dataset.phase) };
search("");
document.body.append(Object.assign(document.createElement("pre"), { id: "probe", textContent: JSON.stringify(result) }));
}</script></body>"##;

fn browser(args: &[&str], page: &Path) -> String {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(BROWSER.found().unwrap())
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(args)
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

pub fn the_page_shows_the_timeline_and_filters_the_log() {
    let checkout = Checkout::named("report");
    record(&checkout);
    let ended = checkout.xtask(["report"]).run().expect_code(0);
    let page = Path::new(ended.stdout.trim()).to_owned();
    let html = std::fs::read_to_string(&page).unwrap();
    let probed = page.with_file_name("probed.html");
    std::fs::write(&probed, html.replace("</body>", PROBE)).unwrap();
    let dom = browser(&["--window-size=390,800", "--dump-dom"], &probed);
    let found = dom
        .split(r#"<pre id="probe">"#)
        .nth(1)
        .expect("the page's script failed");
    let found = found.split("</pre>").next().unwrap();
    let found = found
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    let found: Value = serde_json::from_str(&found).unwrap();

    let bar = |step: &str, state: &str, left: u64, width: u64| json!({"step": step, "state": state, "left": left, "width": width});
    let mut bars = found["bars"].clone();
    // The narrowest bars are as wide as can be seen, whatever their share is.
    bars[0]["width"] = json!(2);
    bars[3]["width"] = json!(0);
    assert_eq!(
        bars,
        json!([
            bar("check", "done", 0, 2),
            bar("build", "done", 2, 47),
            bar("plan", "done", 2, 20),
            bar("push", "skipped", 50, 0),
            bar("apply", "done", 50, 15),
            bar("task", "done", 65, 35),
        ]),
        "{}",
        found["bars"]
    );
    assert_eq!(found["parallel"], "Side by side: build and plan for 4.0 s.");
    assert_eq!(
        found["phases"],
        json!(["pending", "pull", "start", "run", "stop"])
    );
    assert_eq!(found["all"].as_array().unwrap().len(), 3);
    assert_eq!(
        found["all"][1],
        "03:04:20.000 <b>no markup</b> </script><script>document.title = 'driven'</script>"
    );
    assert_eq!(found["title"], format!("try nightly-report · {RUN}"));
    assert_eq!(
        found["bucket"],
        json!(["03:04:20.000 ERROR task finished  error=no such bucket"])
    );
    assert_eq!(found["pattern"].as_array().unwrap().len(), 2);
    assert_eq!(found["none"], json!([]));
    assert_eq!(found["count"], "0 of 3 lines");
    assert_eq!(found["wide"], true, "a phone would have to scroll sideways");
    let verdict = found["verdict"].as_str().unwrap();
    assert!(
        verdict.starts_with("✗ nightly-report exited 3it </script> says so"),
        "{verdict}"
    );

    let picture = page.with_file_name("page.png");
    let screenshot = format!("--screenshot={}", picture.display());
    browser(&["--window-size=1100,1300", &screenshot], &page);
    assert!(
        std::fs::metadata(&picture).unwrap().len() > 20_000,
        "the picture is empty"
    );
}
