//! A measurement's figures beside their limits: a table for people, a JSON file for tools.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Serialize;

/// The result of one measurement.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    name: String,
    figures: BTreeMap<String, f64>,
    limits: BTreeMap<String, f64>,
    pass: bool,
    #[serde(skip)]
    rows: Vec<(String, f64, Option<f64>, &'static str)>,
}

impl Report {
    /// An empty one.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), pass: true, ..Self::default() }
    }

    /// A figure that only informs.
    pub fn note(&mut self, figure: &str, value: f64, unit: &'static str) {
        self.figures.insert(figure.to_owned(), round(value));
        self.rows.push((figure.to_owned(), value, None, unit));
    }

    /// A figure that must not be above its limit.
    pub fn limit(&mut self, figure: &str, value: f64, most: f64, unit: &'static str) {
        self.figures.insert(figure.to_owned(), round(value));
        self.limits.insert(figure.to_owned(), most);
        self.pass &= value <= most;
        self.rows.push((figure.to_owned(), value, Some(most), unit));
    }

    /// Prints the table, writes the file and says whether every limit holds.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn publish(&self) -> anyhow::Result<bool> {
        println!("\n{}", self.name);
        let width = self.rows.iter().map(|row| row.0.len()).max().unwrap_or_default();
        for (figure, value, most, unit) in &self.rows {
            let verdict = match most {
                Some(most) if value <= most => format!("≤ {most:.3}  ok"),
                Some(most) => format!("≤ {most:.3}  ABOVE THE LIMIT"),
                None => String::new(),
            };
            println!("  {figure:width$}  {value:10.3} {unit:7} {verdict}");
        }
        let dir = Path::new(".run/bench");
        fs::create_dir_all(dir)?;
        fs::write(dir.join(format!("{}.json", self.name)), serde_json::to_vec_pretty(self)?)?;
        Ok(self.pass)
    }
}

fn round(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

/// The middle value (the mean of the two middle ones).
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The largest value.
pub fn max(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, f64::max)
}
