//! A plot as SVG: points and a line of means, readable on light and dark pages.

use std::fmt::Write as _;

use super::fill::Sample;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 40.0;

/// Samples on each side that the line takes the mean of.
const NEIGHBOURS: usize = 2;

const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#57606a}.title{font-weight:600;\
    fill:#24292f}.grid{stroke:#d0d7de;stroke-width:1}.line{fill:none;stroke:#0969da;\
    stroke-width:2;stroke-linejoin:round}.point{fill:#0969da;opacity:.35}\
    @media(prefers-color-scheme:dark){text{fill:#8b949e}.title{fill:#e6edf3}\
    .grid{stroke:#30363d}.line{stroke:#58a6ff}.point{fill:#58a6ff}}";

/// CPU of the server for each segment, over the number of segments stored.
pub(super) fn svg(samples: &[Sample]) -> String {
    let most = |value: fn(&Sample) -> f64| samples.iter().map(value).fold(0.0, f64::max);
    let (x_step, x_end) = axis(most(|sample| sample.segments as f64) / 1e6);
    let (y_step, y_end) = axis(most(|sample| sample.cpu_micros));
    let x = |millions: f64| LEFT + (WIDTH - LEFT - RIGHT) * millions / x_end;
    let y = |micros: f64| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * micros / y_end;
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Server CPU for each segment, over the number stored"><style>{STYLE}</style><text class="title" x="{LEFT}" y="18">Server CPU for each segment, µs</text>"#
    );
    // Writing to a string does not fail.
    for micros in steps(y_step, y_end) {
        let (y, right) = (y(micros), WIDTH - RIGHT);
        let _ = write!(
            svg,
            r#"<path class="grid" d="M{LEFT} {y:.1}H{right}"/><text x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"#,
            LEFT - 8.0,
            y + 4.0,
            label(micros, y_step),
        );
    }
    for millions in steps(x_step, x_end) {
        let _ = write!(
            svg,
            r#"<text x="{:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
            x(millions),
            HEIGHT - BOTTOM + 18.0,
            label(millions, x_step),
        );
    }
    let _ = write!(
        svg,
        r#"<text x="{:.1}" y="{:.1}" text-anchor="end">million segments stored</text>"#,
        WIDTH - RIGHT,
        HEIGHT - 6.0,
    );
    let place = |sample: &Sample, micros: f64| (x(sample.segments as f64 / 1e6), y(micros));
    for sample in samples {
        let (x, y) = place(sample, sample.cpu_micros);
        let _ = write!(svg, r#"<circle class="point" cx="{x:.1}" cy="{y:.1}" r="3"/>"#);
    }
    svg.push_str(r#"<path class="line" d=""#);
    for (index, sample) in samples.iter().enumerate() {
        let (x, y) = place(sample, mean_around(samples, index));
        let _ = write!(svg, "{}{x:.1} {y:.1}", if index == 0 { 'M' } else { 'L' });
    }
    svg.push_str("\"/></svg>\n");
    svg
}

fn mean_around(samples: &[Sample], index: usize) -> f64 {
    let around =
        samples.iter().enumerate().filter(|(other, _)| other.abs_diff(index) <= NEIGHBOURS);
    let around: Vec<f64> = around.map(|(_, sample)| sample.cpu_micros).collect();
    around.iter().sum::<f64>() / around.len().max(1) as f64
}

/// Distance of the lines of an axis from 0, and its end, so that it has four to ten of them.
fn axis(most: f64) -> (f64, f64) {
    let rough = (most / 4.0).max(1e-9);
    let power = 10_f64.powf(rough.log10().floor());
    let step = [5.0, 2.0, 1.0].iter().map(|digit| digit * power).find(|step| *step <= rough);
    let step = step.unwrap_or(power);
    (step, step * (most / step).ceil().max(1.0))
}

/// A number of an axis with as many places as its steps have.
fn label(number: f64, step: f64) -> String {
    let places = if step < 0.1 { 2 } else { usize::from(step < 1.0) };
    format!("{number:.places$}")
}

fn steps(step: f64, end: f64) -> impl Iterator<Item = f64> {
    (0..=100)
        .map(move |count| f64::from(count) * step)
        .take_while(move |at| *at <= end + step / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_steps() {
        let check = |most: f64, expect: (f64, f64)| {
            let (step, end) = axis(most);
            assert!(
                (step - expect.0).abs() < 1e-9 && (end - expect.1).abs() < 1e-9,
                "{most}: {step} {end}"
            );
        };
        check(10.0, (2.0, 10.0));
        check(9.3, (2.0, 10.0));
        check(50.0, (10.0, 50.0));
        check(4.0, (1.0, 4.0));
        check(27.0, (5.0, 30.0));
    }

    #[test]
    fn every_sample_is_a_point() {
        let samples: Vec<_> = (1..=8)
            .map(|n| Sample {
                segments: n * 250_000,
                cpu_micros: 9.0 + n as f64 / 10.0,
                rate: 1e5,
                bytes: 200.0,
                peak_memory: 1,
            })
            .collect();
        let svg = svg(&samples);
        assert_eq!(svg.matches("<circle").count(), 8);
        assert!(svg.contains(">0.5</text>"), "{svg}");
        assert!(!svg.contains("NaN") && svg.ends_with("</svg>\n"), "{svg}");
    }
}
