//! A fleet of clients against the server's quota book, over time.

#![allow(clippy::unwrap_used, reason = "a test may panic, outside its own function as well")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use roentgen_sampling::{
    BoostStatisticsDocument, CLIENT_LIFETIME_SECONDS, Counts, EpochMicros, MAX_CLIENTS_PER_RULE,
    NewRule, QuotaBook, Reservoir, Rule, RuleFields, RuleSelector, RuleSet, RuleUpdate,
    SamplingTarget, StatisticSummary, StatisticsDocument, TURN_SECONDS,
};

/// The start of a turn, so that a test of fewer seconds than a turn sees only one.
const START: u64 = 1_700_000_040;

fn at(second: u64) -> EpochMicros {
    EpochMicros::from_seconds(second)
}

fn rules(reservoir_size: u32, fixed_rate: f64) -> RuleSet {
    let mut rules = RuleSet::new("us-east-1", "123456789012");
    let rule = Rule {
        rule_name: "checkout".to_owned(),
        priority: 10,
        reservoir_size,
        fixed_rate,
        ..Rule::default_rule()
    };
    rules.create(NewRule::from(&rule), at(START - 100)).unwrap();
    rules
}

fn document(client: usize, second: u64, requests: i64) -> StatisticsDocument {
    StatisticsDocument {
        rule_name: "checkout".to_owned(),
        client_id: format!("{client:024x}"),
        timestamp: second as f64,
        request_count: requests,
        sampled_count: requests / 2,
        borrow_count: None,
    }
}

/// The one target in the answer to one client's report.
fn report(
    book: &mut QuotaBook,
    rules: &RuleSet,
    client: usize,
    second: u64,
    requests: i64,
) -> SamplingTarget {
    let answer = book.targets(rules, &[document(client, second, requests)], &[], at(second));
    assert_eq!(answer.unprocessed, []);
    answer.targets.into_iter().next().unwrap()
}

fn quota(
    book: &mut QuotaBook,
    rules: &RuleSet,
    client: usize,
    second: u64,
    requests: i64,
) -> Option<u32> {
    report(book, rules, client, second, requests).reservoir_quota
}

#[test]
fn a_sole_client_gets_all() {
    let rules = rules(2, 0.25);
    let target = report(&mut QuotaBook::new(), &rules, 1, START, 5);
    let expect = SamplingTarget {
        rule_name: "checkout".to_owned(),
        fixed_rate: 0.25,
        reservoir_quota: Some(2),
        reservoir_quota_ttl: Some(at(START + 300)),
        interval_seconds: 10,
    };
    assert_eq!(target, expect);
}

#[test]
fn an_empty_reservoir_gives_zero_not_nothing() {
    let mut book = QuotaBook::new();
    assert_eq!(quota(&mut book, &rules(0, 0.5), 1, START, 5), Some(0));
    assert_eq!(quota(&mut book, &rules(0, 0.5), 2, START, 5), Some(0));
}

#[test]
fn newcomers_borrow_until_others_give_up_their_part() {
    let (mut book, rules) = (QuotaBook::new(), rules(10, 0.0));
    assert_eq!(quota(&mut book, &rules, 1, START, 1000), Some(10));
    assert_eq!(quota(&mut book, &rules, 2, START + 5, 1000), None);
    assert_eq!(quota(&mut book, &rules, 1, START + 10, 1000), Some(5));
    assert_eq!(quota(&mut book, &rules, 2, START + 15, 1000), Some(5));
}

#[test]
fn a_busy_client_gets_what_an_idle_one_can_not_use() {
    let (mut book, rules) = (QuotaBook::new(), rules(10, 0.0));
    for second in [START, START + 10, START + 20] {
        quota(&mut book, &rules, 1, second, 1000);
        quota(&mut book, &rules, 2, second, 15);
    }
    assert_eq!(quota(&mut book, &rules, 1, START + 30, 1000), Some(8));
    assert_eq!(quota(&mut book, &rules, 2, START + 30, 15), Some(2));
}

#[test]
fn one_request_a_second_goes_round_among_five() {
    let (mut book, rules) = (QuotaBook::new(), rules(1, 0.0));
    // For each client, the turns in which it had the one, and how many rounds nobody had it.
    let mut had_it: BTreeMap<usize, u64> = BTreeMap::new();
    let mut nobody = 0;
    let mut held = [0; 5];
    for round in 0..60 {
        for (client, held) in held.iter_mut().enumerate() {
            let second = START + round * 10 + client as u64;
            *held = quota(&mut book, &rules, client, second, 100).unwrap_or(0);
        }
        let sum: u32 = held.iter().sum();
        assert!(sum <= 1);
        nobody += u64::from(sum == 0);
        for (client, _) in held.iter().enumerate().filter(|(_, held)| **held == 1) {
            *had_it.entry(client).or_default() += 1;
        }
    }
    // Ten turns of six rounds: two turns each, less a round whenever it changes hands.
    let rounds_per_turn = TURN_SECONDS / 10;
    for client in 0..5 {
        assert!(had_it[&client] >= 2 * (rounds_per_turn - 1), "{had_it:?}");
    }
    assert!(nobody <= 10, "{nobody}");
}

#[test]
fn a_silent_client_loses_its_part_after_three_reports() {
    let (mut book, rules) = (QuotaBook::new(), rules(10, 0.0));
    quota(&mut book, &rules, 1, START, 1000);
    let within = START + CLIENT_LIFETIME_SECONDS;
    assert_eq!(quota(&mut book, &rules, 2, within, 1000), None);
    assert_eq!(quota(&mut book, &rules, 2, within + 1, 1000), Some(10));
}

#[test]
fn a_smaller_reservoir_is_reached_within_two_rounds() {
    let (mut book, mut rules) = (QuotaBook::new(), rules(10, 0.0));
    for second in [START, START + 10] {
        quota(&mut book, &rules, 1, second, 1000);
        quota(&mut book, &rules, 2, second, 1000);
    }
    let fields = RuleFields { reservoir_size: Some(4), ..RuleFields::default() };
    let selector = RuleSelector::by_name("checkout");
    rules.update(RuleUpdate { selector, fields }, at(START + 15)).unwrap();
    for second in [START + 20, START + 30] {
        quota(&mut book, &rules, 1, second, 1000);
        quota(&mut book, &rules, 2, second, 1000);
    }
    assert_eq!(quota(&mut book, &rules, 1, START + 40, 1000), Some(2));
    assert_eq!(quota(&mut book, &rules, 2, START + 40, 1000), Some(2));
}

#[test]
fn no_more_clients_than_there_is_room_for() {
    let (mut book, rules) = (QuotaBook::new(), rules(4096, 0.0));
    for client in 0..MAX_CLIENTS_PER_RULE {
        quota(&mut book, &rules, client, START, 100_000);
    }
    let late = MAX_CLIENTS_PER_RULE;
    assert_eq!(quota(&mut book, &rules, late, START + 1, 100_000), Some(0));
    // All others silent: there is room again.
    let second = START + CLIENT_LIFETIME_SECONDS + 1;
    assert_eq!(quota(&mut book, &rules, late, second, 100_000), Some(4096));
}

#[test]
fn bad_documents_are_answered_beside_good_ones() {
    let (mut book, mut rules) = (QuotaBook::new(), rules(1, 0.5));
    let unknown = StatisticsDocument { rule_name: "gone".to_owned(), ..document(1, START, 1) };
    let bad_id = StatisticsDocument { client_id: "zz".to_owned(), ..document(1, START, 1) };
    let old = document(1, START - 301, 1);
    let negative = document(1, START, -1);
    let good = document(1, START, 1);
    let boost = BoostStatisticsDocument { rule_name: "checkout".to_owned(), ..Default::default() };
    let documents = [unknown, bad_id, old, negative, good];
    let answer = book.targets(&rules, &documents, &[boost], at(START));

    assert_eq!(answer.targets.len(), 1);
    assert_eq!(answer.last_rule_modification, at(START - 100));
    let reasons: Vec<(&str, &str, &str)> = answer
        .unprocessed
        .iter()
        .map(|one| (one.rule_name.as_str(), one.error_code.as_str(), one.message.as_str()))
        .collect();
    let expect = [
        ("gone", "400", "Sampling rule not found"),
        ("checkout", "400", "ClientID \"zz\" is not 24 hexadecimal digits"),
        ("checkout", "400", "Timestamp 1699999739 is more than 300 seconds old"),
        ("checkout", "400", "RequestCount -1 is negative"),
    ];
    assert_eq!(reasons, expect);
    assert_eq!(answer.unprocessed_boost.len(), 1);
    assert_eq!(answer.unprocessed_boost[0].rule_name, "checkout");

    // A deleted rule is unknown from then on, and clients are told to fetch again.
    rules.delete(&RuleSelector::by_name("checkout"), at(START + 5)).unwrap();
    let answer = book.targets(&rules, &[document(1, START + 10, 1)], &[], at(START + 10));
    assert_eq!(answer.targets, []);
    assert_eq!(answer.unprocessed[0].message, "Sampling rule not found");
    assert_eq!(answer.last_rule_modification, at(START + 5));
    assert_eq!(book.statistic_summaries(&rules, at(START + 10)), []);
}

#[test]
fn summaries_add_up_all_clients_by_window() {
    let (mut book, rules) = (QuotaBook::new(), rules(1, 0.5));
    let default = StatisticsDocument {
        rule_name: "Default".to_owned(),
        borrow_count: Some(1),
        // As Java sends it.
        timestamp: (START * 1000 + 9_999) as f64,
        ..document(7, START, 8)
    };
    let documents = [default, document(1, START, 10), document(2, START + 9, 30)];
    let now = at(START + 12);
    assert_eq!(book.targets(&rules, &documents, &[], now).targets.len(), 3);
    quota(&mut book, &rules, 1, START + 10, 2);

    let summary = |rule_name: &str, second, requests, sampled, borrowed| StatisticSummary {
        rule_name: rule_name.to_owned(),
        timestamp: at(second),
        counts: Counts { requests, sampled, borrowed },
    };
    let expect = [
        summary("checkout", START, 40, 20, 0),
        summary("checkout", START + 10, 2, 1, 0),
        summary("Default", START, 8, 4, 1),
    ];
    assert_eq!(book.statistic_summaries(&rules, now), expect);
    assert_eq!(book.statistic_summaries(&rules, at(START + 1000)), []);
}

/// The whole loop: clients decide about requests, report, and follow their targets.
#[test]
fn a_fleet_samples_what_the_rule_says() {
    let rules = rules(10, 0.0);
    let rule = rules.get("checkout").unwrap().rule.clone();
    let mut book = QuotaBook::new();
    let mut clients: Vec<Reservoir> = (0..3).map(|_| Reservoir::new(&rule)).collect();
    let mut sampled_by_second = Vec::new();
    for second in START..START + 60 {
        let mut sampled = 0;
        for (number, client) in clients.iter_mut().enumerate() {
            for _ in 0..50 {
                sampled += u32::from(client.decide(at(second), 0.5).sampled);
            }
            if second % 10 == number as u64 {
                let counts = client.take_counts().unwrap();
                let requests = i64::try_from(counts.requests).unwrap();
                client.set_target(&report(&mut book, &rules, number, second, requests));
            }
        }
        sampled_by_second.push(sampled);
    }
    // Three borrow one each, then the first has all and two go on borrowing, then all is divided.
    assert_eq!(sampled_by_second[0], 3);
    assert!(sampled_by_second.iter().all(|sampled| *sampled <= 12), "{sampled_by_second:?}");
    assert!(sampled_by_second[30..].iter().all(|sampled| *sampled == 10), "{sampled_by_second:?}");
}

proptest! {
    /// Whoever reports whenever with whatever load: never more than the reservoir is handed out,
    /// and all of it once the load is steady.
    #[test]
    fn quotas_in_hand_never_exceed_the_reservoir(
        reservoir in 0..60u32,
        reports in prop::collection::vec((0..12usize, 0..9u64, 1..2000i64), 1..120),
    ) {
        let (mut book, rules) = (QuotaBook::new(), rules(reservoir, 0.0));
        let mut in_hand: BTreeMap<usize, (u32, u64)> = BTreeMap::new();
        let mut second = START;
        for (client, pause, requests) in &reports {
            second += pause;
            let got = quota(&mut book, &rules, *client, second, *requests);
            in_hand.insert(*client, (got.unwrap_or(0), second));
            in_hand.retain(|_, (_, last)| second - *last <= CLIENT_LIFETIME_SECONDS);
            let sum: u32 = in_hand.values().map(|(quota, _)| quota).sum();
            prop_assert!(sum <= reservoir, "{sum} of {reservoir}");
        }
        // The first round tells the new loads, two more settle them.
        let settled = (second / TURN_SECONDS + 1) * TURN_SECONDS;
        let mut sum = 0;
        for round in 0..3 {
            sum = 0;
            for client in 0..12 {
                let second = settled + round * 10;
                sum += quota(&mut book, &rules, client, second, 100 * client as i64 + 1)
                    .unwrap_or(0);
            }
        }
        prop_assert_eq!(sum, reservoir);
    }

    /// The order in which clients report within a round is of no consequence for what they hold in
    /// the end.
    #[test]
    fn order_of_reports_is_of_no_consequence(
        reservoir in 0..60u32,
        loads in prop::collection::vec(1..2000i64, 1..12),
        order in Just((0..12usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let settle = |order: &[usize]| {
            let (mut book, rules) = (QuotaBook::new(), rules(reservoir, 0.0));
            let mut quotas = BTreeMap::new();
            for second in [START, START + 10, START + 20] {
                for client in order.iter().filter(|client| **client < loads.len()) {
                    let got = quota(&mut book, &rules, *client, second, loads[*client]);
                    quotas.insert(*client, got);
                }
            }
            quotas
        };
        let in_order: Vec<usize> = (0..12).collect();
        prop_assert_eq!(settle(&in_order), settle(&order));
    }
}
