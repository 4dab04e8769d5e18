//! The report as one HTML page without scripts: figures, three plots with units, the table behind them.

use std::fmt::Write as _;

use crate::report::Report;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 64.0;
const BOTTOM: f64 = 36.0;
const TOP: f64 = 12.0;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:800px;color:#1b2733}\
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse}td,th{padding:.25rem .75rem;text-align:right;\
border-bottom:1px solid #d8dee4}td:first-child,th:first-child{text-align:left}svg{width:100%;height:auto}svg text{font-size:12px;fill:#4a5866}\
.bad{color:#a3231f}pre{background:#f4f6f8;padding:1rem;overflow:auto}";

/// One kind of point in a plot.
struct Series<'a> {
    name: &'a str,
    colour: &'a str,
    /// One value per visit, in order.
    values: Vec<Option<f64>>,
}

/// The page.
#[must_use]
pub fn page(report: &Report) -> String {
    let visits = &report.done;
    let series = |name, colour, values| Series { name, colour, values };
    let join = [series(
        "link to waiting room",
        "#0b6bcb",
        visits.iter().map(|visit| Some(visit.link_to_waiting_ms)).collect(),
    )];
    let picture = [
        series("patient", "#0b6bcb", visits.iter().map(|visit| visit.patient.admit_to_first_picture_ms).collect()),
        series("provider", "#c2571a", visits.iter().map(|visit| visit.provider.admit_to_first_picture_ms).collect()),
    ];
    let loss = [
        series("patient", "#0b6bcb", visits.iter().map(|visit| Some(visit.patient.loss * 100.0)).collect()),
        series("provider", "#c2571a", visits.iter().map(|visit| Some(visit.provider.loss * 100.0)).collect()),
    ];
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Bedside load test</title><style>{STYLE}</style>\
         <h1>Bedside load test: {} of {} visits</h1><pre>{}</pre>",
        visits.len(),
        report.visits,
        escaped(&report.table()),
    );
    for (title, unit, series) in [
        ("Join time", "ms", &join[..]),
        ("From Admit to the first whole picture", "ms", &picture[..]),
        ("Packets lost", "%", &loss[..]),
    ] {
        let _ = write!(page, "<h2>{title}</h2>{}", plot(title, unit, series));
    }
    page.push_str(
        "<h2>Each visit</h2><table><tr><th>Visit<th>Join, ms<th>Who<th>First picture, ms<th>Packets<th>Lost<th>Loss, %",
    );
    for visit in visits {
        for (who, person) in [("patient", &visit.patient), ("provider", &visit.provider)] {
            let picture = person.admit_to_first_picture_ms.map_or("none".to_owned(), |ms| format!("{ms:.1}"));
            let (id, join) = (visit.visit, visit.link_to_waiting_ms);
            let (packets, lost, loss) = (person.packets, person.lost, person.loss * 100.0);
            let _ = write!(page, "<tr><td>{id}<td>{join:.1}<td>{who}<td>{picture}<td>{packets}<td>{lost}<td>{loss:.3}");
        }
    }
    page.push_str("</table>");
    for violation in &report.violations {
        let _ = write!(page, "<p class=\"bad\">Not as expected: {}</p>", escaped(violation));
    }
    page
}

fn plot(title: &str, unit: &str, series: &[Series<'_>]) -> String {
    let all = || series.iter().flat_map(|series| series.values.iter().flatten().copied());
    let top = nice_ceiling(all().fold(0.0, f64::max));
    let count = series.iter().map(|series| series.values.len()).max().unwrap_or(0).max(1);
    let x = |index: usize| LEFT + (index as f64 + 0.5) / count as f64 * (WIDTH - LEFT);
    let y = |value: f64| TOP + (1.0 - value / top) * (HEIGHT - TOP - BOTTOM);
    let mut svg =
        format!("<svg role=\"img\" aria-label=\"{title}, {unit}, by visit\" viewBox=\"0 0 {WIDTH} {HEIGHT}\">");
    for share in [0.0, 0.5, 1.0] {
        let (value, line) = (top * share, y(top * share));
        let _ = write!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{line:.1}\" y2=\"{line:.1}\" stroke=\"#d8dee4\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{} {unit}</text>",
            LEFT - 8.0,
            line + 4.0,
            trimmed(value),
        );
    }
    for (order, series) in series.iter().enumerate() {
        for (index, value) in series.values.iter().enumerate().filter_map(|(index, value)| Some((index, (*value)?))) {
            let _ = write!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\" fill=\"{}\"><title>visit {}, {}: {value:.3} {unit}</title></circle>",
                x(index),
                y(value),
                series.colour,
                index + 1,
                series.name,
            );
        }
        let legend = LEFT + order as f64 * 180.0;
        let (dot, text) = (HEIGHT - 12.0, HEIGHT - 8.0);
        let _ = write!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{dot}\" r=\"4\" fill=\"{}\"/><text x=\"{:.1}\" y=\"{text}\">{}</text>",
            legend + 4.0,
            series.colour,
            legend + 14.0,
            series.name,
        );
    }
    let _ =
        write!(svg, "<text x=\"{WIDTH}\" y=\"{}\" text-anchor=\"end\">visit 1 to {count}</text></svg>", HEIGHT - 8.0);
    svg
}

/// The next of 1, 2, 5, 10, 20, 50, .. at or above `value`.
fn nice_ceiling(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|step| step * power).find(|&top| top >= value).unwrap_or(10.0 * power)
}

fn trimmed(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.3}").trim_end_matches('0').to_owned() }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{good_visit, run};

    #[test]
    fn every_visit_is_a_point_in_every_plot_and_a_row_in_the_table() {
        let report = Report::new(run(3), (1..=3).map(good_visit).collect(), vec![]);
        let page = page(&report);
        let points = |who: &str| page.matches(&format!(", {who}: ")).count();
        assert_eq!((points("link to waiting room"), points("patient"), points("provider")), (3, 6, 6));
        assert_eq!(page.matches("<tr>").count(), 1 + 2 * 3);
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    }

    #[test]
    fn the_scale_ends_at_a_round_number_above_the_largest_value() {
        assert_eq!([0.0, 0.3, 1.0, 1.1, 4.0, 99.0, 101.0].map(nice_ceiling), [1.0, 0.5, 1.0, 2.0, 5.0, 100.0, 200.0]);
    }
}
