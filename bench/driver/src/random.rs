//! Random numbers that are others for each client and the same in each round.

pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn of(client: u64) -> Random {
        Random(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(client + 1))
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        low + self.0 % (high - low + 1)
    }
}
