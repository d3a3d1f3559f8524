//! Dividing a reservoir among clients: whole requests per second, and all of them.

/// The quota of each client, given what each can use (`demands`, requests per second, in a fixed
/// order of the clients). The quotas add up to `reservoir` exactly, unless there is no client.
///
/// The division is even, with two refinements:
///
/// * A client gets no more than it can use while others can use more (max-min fairness). An idle
///   process would else hold a share that a busy one could have spent, and the rule would sample
///   less than its owner asked for. What nobody can use is spread evenly again, as headroom.
/// * What an even division leaves over goes to some clients only: one each, to as many as there is
///   left, and with every `turn` to the next ones. So with one request per second among five
///   clients each has it for a fifth of the time: neither luck nor traffic alone decides whose
///   traces are seen.
pub(crate) fn divide(reservoir: u32, demands: &[u32], turn: u64) -> Vec<u32> {
    let mut shares: Vec<Option<u32>> = vec![None; demands.len()];
    let mut left = u64::from(reservoir);
    let mut hungry = demands.len() as u64;

    let mut by_demand: Vec<(u64, &mut Option<u32>)> =
        demands.iter().map(|demand| u64::from(*demand)).zip(&mut shares).collect();
    by_demand.sort_by_key(|(demand, _)| *demand);
    for (demand, share) in by_demand {
        if demand * hungry > left {
            break;
        }
        *share = u32::try_from(demand).ok();
        left -= demand;
        hungry -= 1;
    }

    let all_content = hungry == 0;
    let mut portions =
        portions(left, if all_content { demands.len() as u64 } else { hungry }, turn);
    shares
        .into_iter()
        .map(|share| match share {
            Some(demand) if !all_content => demand,
            content => content.unwrap_or(0) + portions.next().unwrap_or(0),
        })
        .collect()
}

/// `total` in `count` portions that differ by one at most; which ones are larger moves on with
/// `turn`, so that over `count` turns all have had the same.
fn portions(total: u64, count: u64, turn: u64) -> impl Iterator<Item = u32> {
    let even = total.checked_div(count).unwrap_or(0);
    let larger = total.checked_rem(count).unwrap_or(0);
    let first_larger = turn.checked_rem(count).map_or(0, |turn| turn * larger % count);
    (0..count).map(move |position| {
        let is_larger = (position + count - first_larger) % count < larger;
        // `total` is what is left of a u32.
        u32::try_from(even + u64::from(is_larger)).unwrap_or(u32::MAX)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn divisions() {
        let check = |reservoir: u32, demands: &[u32], turn: u64, expect: &[u32]| {
            assert_eq!(divide(reservoir, demands, turn), expect, "{reservoir} among {demands:?}");
        };
        check(10, &[], 0, &[]);
        check(2, &[100], 0, &[2]);
        check(0, &[100, 100], 0, &[0, 0]);
        check(10, &[100, 100], 0, &[5, 5]);
        // Remainder: to the first at first, then to the next ones.
        check(10, &[100, 100, 100], 0, &[4, 3, 3]);
        check(10, &[100, 100, 100], 1, &[3, 4, 3]);
        check(11, &[100, 100, 100], 1, &[4, 3, 4]);
        // Fewer than clients: a turn each.
        check(1, &[9, 9, 9, 9, 9], 0, &[1, 0, 0, 0, 0]);
        check(1, &[9, 9, 9, 9, 9], 4, &[0, 0, 0, 0, 1]);
        check(1, &[9, 9, 9, 9, 9], 5, &[1, 0, 0, 0, 0]);
        // No more than can be used while others can use it.
        check(50, &[1, 1000], 0, &[1, 49]);
        check(12, &[2, 100, 3, 100], 0, &[2, 4, 3, 3]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_invented(
            reservoir in 0..=i32::MAX as u32,
            demands in prop::collection::vec(1..5000u32, 1..40),
            turn: u64,
        ) {
            let quotas = divide(reservoir, &demands, turn);
            let sum: u64 = quotas.iter().map(|quota| u64::from(*quota)).sum();
            prop_assert_eq!(sum, u64::from(reservoir));
        }

        #[test]
        fn everyone_gets_an_even_share_or_all_it_can_use(
            reservoir in 0..2000u32,
            demands in prop::collection::vec(1..200u32, 1..40),
            turn in 0..1000u64,
        ) {
            let quotas = divide(reservoir, &demands, turn);
            let even = reservoir / u32::try_from(demands.len()).unwrap();
            for (quota, demand) in quotas.iter().zip(&demands) {
                prop_assert!(*quota >= even.min(*demand));
            }
            // Nobody has more than it can use while another lacks more than the odd one.
            let unmet = quotas.iter().zip(&demands).any(|(quota, demand)| quota < demand);
            for (quota, demand) in quotas.iter().zip(&demands) {
                prop_assert!(!unmet || quota <= demand);
            }
            // Of two that both lack, neither is more than one ahead.
            let lacking = quotas.iter().zip(&demands).filter(|(quota, demand)| quota < demand);
            let lacking: Vec<u32> = lacking.map(|(quota, _)| *quota).collect();
            if let (Some(least), Some(most)) = (lacking.iter().min(), lacking.iter().max()) {
                prop_assert!(most - least <= 1);
            }
        }

        #[test]
        fn over_all_turns_equals_get_equal(
            reservoir in 0..100u32,
            count in 1..20usize,
            first_turn in 0..1000u64,
        ) {
            let mut sums = vec![0u32; count];
            for turn in first_turn..first_turn + count as u64 {
                let quotas = divide(reservoir, &vec![1000; count], turn);
                for (sum, quota) in sums.iter_mut().zip(quotas) {
                    *sum += quota;
                }
            }
            prop_assert_eq!(sums, vec![reservoir; count]);
        }
    }
}
