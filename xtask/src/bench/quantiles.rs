//! Quantiles of measurements.

/// Measurements in order of size.
#[derive(Debug, Clone, Default)]
pub(super) struct Quantiles {
    sorted: Vec<f64>,
}

impl Quantiles {
    pub(super) fn of(measurements: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = measurements.into_iter().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        Self { sorted }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// The smallest measurement that this share of all does not exceed; 0 when there is none.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a length is an index"
    )]
    pub(super) fn at(&self, share: f64) -> f64 {
        let rank = (share * self.sorted.len() as f64).ceil() as usize;
        self.sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_nearest_rank() {
        let check = |measurements: &[f64], share: f64, expect: f64| {
            let quantiles = Quantiles::of(measurements.iter().copied());
            assert_eq!(quantiles.at(share), expect, "{measurements:?} {share}");
        };
        check(&[], 0.5, 0.0);
        check(&[3.0], 0.99, 3.0);
        check(&[3.0, 1.0, 2.0], 0.5, 2.0);
        check(&[3.0, 1.0, 2.0, 4.0], 0.5, 2.0);
        check(&[3.0, 1.0, 2.0, 4.0], 0.99, 4.0);
        check(&[3.0, 1.0, 2.0, 4.0], 0.0, 1.0);
    }
}
