//! Time as a value that the driver passes in.

use core::num::NonZeroU64;
use core::ops::{Add, AddAssign};
use core::time::Duration;

/// A point on the driver's monotonic clock: nanoseconds since an origin that the driver chooses.
///
/// All instants that one connection sees must come from the same clock.
/// The range is 584 years; additions saturate, so [`Instant::MAX`] never comes.
///
/// ```
/// use core::time::Duration;
/// use sockeye_protocol::Instant;
///
/// let origin = std::time::Instant::now();
/// let now = Instant::ZERO + origin.elapsed();
/// assert!(now + Duration::from_secs(1) > now);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(
    /// One more than the nanoseconds, so that `Option<Instant>` needs no more room.
    NonZeroU64,
);

impl Instant {
    /// The clock's origin.
    pub const ZERO: Self = Self(NonZeroU64::MIN);
    /// The last representable instant, which stands for "never".
    pub const MAX: Self = Self(NonZeroU64::MAX);

    /// The instant `nanos` nanoseconds after the origin.
    #[must_use]
    #[inline]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(nanos))
    }

    /// Nanoseconds since the origin.
    #[must_use]
    #[inline]
    pub const fn as_nanos(self) -> u64 {
        self.0.get() - 1
    }

    /// The time that has passed since `earlier`, or zero if `earlier` is later.
    #[must_use]
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(earlier.0.get()))
    }
}

impl Default for Instant {
    /// The clock's origin.
    fn default() -> Self {
        Self::ZERO
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at [`Instant::MAX`].
    #[inline]
    fn add(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

/// The deadlines that a [`Connection`](crate::Connection) keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Timer {
    /// Nothing was heard for [`Config::ping_after`](crate::Config::ping_after): a ping is due.
    Ping,
    /// A ping was sent and the peer owes its pong.
    Pong,
    /// A message or frame has begun and must end.
    Message,
    /// The closing handshake, or the discarding of what the peer still sends, must end.
    Close,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addition_saturates() {
        assert_eq!(Instant::MAX + Duration::from_secs(1), Instant::MAX);
        assert_eq!(Instant::ZERO + Duration::MAX, Instant::MAX);
        assert_eq!(
            Instant::from_nanos(5).saturating_duration_since(Instant::from_nanos(7)),
            Duration::ZERO
        );
    }
}
