//! How a cost grows with its input.

/// The exponent of growth: the slope of the least squares through the logarithms of sizes and costs. 1 is linear.
pub(crate) fn exponent(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let logs: Vec<_> = points.iter().map(|(size, cost)| (size.ln(), cost.ln())).collect();
    let mean = |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let both: f64 = logs.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let square: f64 = logs.iter().map(|point| (point.0 - x).powi(2)).sum();
    both / square
}
