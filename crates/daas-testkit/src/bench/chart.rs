//! Bars, as SVG that is small enough to be read by a person.

use std::fmt::Write as _;
use std::path::Path;

const WIDTH: f64 = 640.0;
/// Room for the names.
const LEFT: f64 = 150.0;
/// Room for the numbers.
const RIGHT: f64 = 90.0;
const BAR: f64 = 22.0;
const STEP: f64 = 34.0;
const TOP: f64 = 44.0;

/// Writes horizontal bars to `docs/bench/NAME.svg`.
pub fn bars(name: &str, title: &str, unit: &str, bars: &[(&str, f64)]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/bench");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name).with_extension("svg"), svg(title, unit, bars)).unwrap();
}

fn svg(title: &str, unit: &str, bars: &[(&str, f64)]) -> String {
    let most = bars.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
    let mut rows = String::new();
    let mut y = TOP;
    for (index, (name, value)) in bars.iter().enumerate() {
        let length = value / most * (WIDTH - LEFT - RIGHT);
        let colour = if index == 0 { "#2563eb" } else { "#94a3b8" };
        let text = y + BAR * 0.7;
        let _ = writeln!(rows, r#"<text x="{}" y="{text:.0}" text-anchor="end">{name}</text>"#, LEFT - 8.0);
        let _ = writeln!(rows, r#"<rect x="{LEFT}" y="{y:.0}" width="{length:.1}" height="{BAR}" fill="{colour}"/>"#);
        let _ = writeln!(rows, r#"<text x="{:.0}" y="{text:.0}">{value:.1} {unit}</text>"#, LEFT + length + 6.0);
        y += STEP;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{y:.0}\" font-family=\"sans-serif\" \
         font-size=\"13\" fill=\"#334155\">\n<text x=\"16\" y=\"24\" font-size=\"15\">{title}</text>\n{rows}</svg>\n"
    )
}
