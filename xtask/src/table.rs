//! Columns of text.

/// Aligns the cells of rows under a header line. Numbers are to the right.
pub fn render(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut lines: Vec<Vec<&str>> = vec![header.to_vec()];
    lines.extend(rows.iter().map(|row| row.iter().map(String::as_str).collect()));
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    lines.iter().map(|line| render_line(line, &widths)).collect()
}

fn render_line(cells: &[&str], widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        let fill = " ".repeat(width.saturating_sub(cell.chars().count()));
        let number = cell.starts_with(|first: char| first.is_ascii_digit()) && cell.parse::<f64>().is_ok();
        line.push_str(&if number { format!("{fill}{cell}  ") } else { format!("{cell}{fill}  ") });
    }
    format!("{}\n", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = vec![vec!["a".into(), "1.5".into()], vec!["longer".into(), "200".into()]];
        assert_eq!(render(&["name", "kbps"], &rows), "name    kbps\na        1.5\nlonger   200\n");
    }
}
