//! The picture of a run: rates as ratios to the baseline with the targets, and p99.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::Outcome;
use crate::rounds::{Measured, Sample};

const WIDTH_PIXELS: u32 = 1100;
const HEIGHT_PIXELS: u32 = 900;
/// Characters of a label stand under each bar, turned by a quarter.
const LABEL_PIXELS: u32 = 130;
const SERVER: RGBColor = RGBColor(38, 102, 178);
const BASELINE: RGBColor = RGBColor(170, 170, 170);
const TARGET: RGBColor = RGBColor(200, 40, 40);
/// The least latency that is drawn, in milliseconds.
const LATENCY_MS_MIN: f64 = 0.01;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws `measured` to the file `path`.
pub(crate) fn draw(path: &Path, measured: &[Measured]) -> Outcome<()> {
    let picture = SVGBackend::new(path, (WIDTH_PIXELS, HEIGHT_PIXELS)).into_drawing_area();
    picture.fill(&WHITE)?;
    let (above, below) = picture.split_vertically(HEIGHT_PIXELS / 2);
    draw_ratios(&above, measured)?;
    draw_latencies(&below, measured)?;
    picture.present()?;
    Ok(())
}

fn draw_ratios(area: &Area<'_>, measured: &[Measured]) -> Outcome<()> {
    let mut chart = ChartBuilder::on(area)
        .caption(
            "rate as a ratio to the baseline; red: target",
            ("sans-serif", 22),
        )
        .margin(10)
        .x_label_area_size(LABEL_PIXELS)
        .y_label_area_size(50)
        .build_cartesian_2d(0.0..measured.len() as f64, 0.0..1.0)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .disable_x_axis()
        .light_line_style(WHITE)
        .label_style(("sans-serif", 15))
        .draw()?;
    for (place, measured) in (0..).map(f64::from).zip(measured) {
        let ratio = measured.median(Sample::ratio);
        let bar = [(place + 0.2, 0.0), (place + 0.8, ratio)];
        chart.draw_series([Rectangle::new(bar, SERVER.filled())])?;
        if let Some(target) = measured.case.ratio_target() {
            let line = vec![(place + 0.05, target), (place + 0.95, target)];
            chart.draw_series([PathElement::new(line, TARGET.stroke_width(3))])?;
        }
        let above = chart.backend_coord(&(place + 0.2, ratio));
        let text = ("sans-serif", 15).into_font();
        area.draw_text(
            &format!("{ratio:.2}"),
            &text.into_text_style(area),
            in_area(area, above, -14),
        )?;
        label(
            area,
            chart.backend_coord(&(place + 0.6, 0.0)),
            &measured.case.name(),
        )?;
    }
    Ok(())
}

fn draw_latencies(area: &Area<'_>, measured: &[Measured]) -> Outcome<()> {
    let p99s = measured
        .iter()
        .map(|measured| measured.median(|sample| sample.servers[0].p99_ms));
    let most = p99s.fold(1.0, f64::max) * 2.0;
    let mut chart = ChartBuilder::on(area)
        .caption(
            "p99 in milliseconds, logarithmic; grey: the baseline",
            ("sans-serif", 22),
        )
        .margin(10)
        .x_label_area_size(LABEL_PIXELS)
        .y_label_area_size(50)
        .build_cartesian_2d(
            0.0..measured.len() as f64,
            (LATENCY_MS_MIN..most).log_scale(),
        )?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .disable_x_axis()
        .light_line_style(WHITE)
        .label_style(("sans-serif", 15))
        .draw()?;
    for (place, measured) in (0..).map(f64::from).zip(measured) {
        let server = measured.median(|sample| sample.servers[0].p99_ms);
        let baseline = measured.median(|sample| sample.baseline.p99_ms);
        for (from, to, p99, colour) in
            [(0.15, 0.5, server, SERVER), (0.5, 0.85, baseline, BASELINE)]
        {
            let bar = [
                (place + from, LATENCY_MS_MIN),
                (place + to, p99.max(LATENCY_MS_MIN)),
            ];
            chart.draw_series([Rectangle::new(bar, colour.filled())])?;
        }
        let foot = chart.backend_coord(&(place + 0.6, LATENCY_MS_MIN));
        label(area, foot, &measured.case.name())?;
    }
    Ok(())
}

/// A case's name under its bar, read from above to below.
fn label(area: &Area<'_>, foot: (i32, i32), name: &str) -> Outcome<()> {
    let font = ("sans-serif", 17)
        .into_font()
        .transform(FontTransform::Rotate90);
    area.draw_text(name, &font.into_text_style(area), in_area(area, foot, 8))?;
    Ok(())
}

/// A place of the picture as one of `area`, `down` pixels below.
fn in_area(area: &Area<'_>, place: (i32, i32), down: i32) -> (i32, i32) {
    let (left, top) = area.get_base_pixel();
    (place.0 - left, place.1 - top + down)
}
