//! A share between 0 and 1 that is the same for the same words: spreads machines and messages out without a random source,
//! so that decisions stay pure.

/// At least 0, less than 1; depends on the words alone.
pub(super) fn share(words: &[&str]) -> f64 {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for word in words {
        context.update(&(word.len() as u64).to_be_bytes());
        context.update(word.as_bytes());
    }
    let digest = context.finish();
    let high = digest.as_ref()[..4].iter().fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte));
    f64::from(high) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn is_stable_spread_and_below_one() {
        assert_eq!(share(&["a"]).to_bits(), share(&["a"]).to_bits());
        assert_ne!(share(&["ab", "c"]).to_bits(), share(&["a", "bc"]).to_bits());
        let mean = (0..1000).map(|n| share(&[&n.to_string()])).sum::<f64>() / 1000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
        assert!((0..1000).all(|n| (0.0..1.0).contains(&share(&[&n.to_string()]))));
    }
}
