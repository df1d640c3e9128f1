//! How large bodies are.

use std::{fmt, str::FromStr};

use rand::Rng;
use rand_distr::{Distribution as _, LogNormal};
use sendoff_events::MAX_BODY_BYTES;

/// How many bytes a body has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Size {
    /// Always so many.
    Fixed(usize),
    /// Any number of these, all as often.
    Uniform {
        /// The fewest.
        least: usize,
        /// The most.
        most: usize,
    },
    /// Mostly near the median, sometimes much larger.
    LogNormal {
        /// Half are smaller.
        median: f64,
        /// The standard deviation of the logarithm.
        sigma: f64,
    },
}

impl Size {
    /// What one looks like.
    pub(crate) const RULE: &str =
        "a number of bytes such as `800` or `2 KiB`, `uniform:200..2000` or `lognormal:800,0.5`";

    /// A size, at most what a body can have.
    #[must_use]
    pub fn draw(self, random: &mut impl Rng) -> usize {
        let drawn = match self {
            Self::Fixed(bytes) => bytes,
            Self::Uniform { least, most } => random.random_range(least..=most),
            Self::LogNormal { median, sigma } => match LogNormal::new(median.ln(), sigma) {
                Ok(distribution) => distribution.sample(random).round() as usize,
                Err(_) => median as usize,
            },
        };
        drawn.min(MAX_BODY_BYTES)
    }
}

/// The text is no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SizeError(&'static str);

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        if let Some(range) = text.strip_prefix("uniform:") {
            let (least, most) = range.split_once("..").ok_or(SizeError("there are no two numbers"))?;
            let (least, most) = (bytes(least)?, bytes(most)?);
            return if least <= most {
                Ok(Self::Uniform { least, most })
            } else {
                Err(SizeError("the first number is the larger one"))
            };
        }
        if let Some(rest) = text.strip_prefix("lognormal:") {
            let (median, sigma) = rest.split_once(',').ok_or(SizeError("there are no two numbers"))?;
            let sigma = sigma.trim().parse().ok().filter(|sigma| (0.0..=3.0).contains(sigma));
            let sigma = sigma.ok_or(SizeError("sigma is a number from 0 to 3"))?;
            return Ok(Self::LogNormal { median: bytes(median)? as f64, sigma });
        }
        bytes(text).map(Self::Fixed)
    }
}

fn bytes(text: &str) -> Result<usize, SizeError> {
    let text = text.trim();
    let (number, factor) = match text.strip_suffix("KiB") {
        Some(number) => (number.trim(), 1024),
        None => (text, 1),
    };
    let number = number.parse::<usize>().ok().and_then(|number| number.checked_mul(factor));
    number.filter(|bytes| (1..=MAX_BODY_BYTES).contains(bytes)).ok_or(SizeError("a size is 1 to 1048576 bytes"))
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(bytes) => write!(f, "{bytes} B"),
            Self::Uniform { least, most } => write!(f, "{least} to {most} B"),
            Self::LogNormal { median, sigma } => write!(f, "about {median} B (σ {sigma})"),
        }
    }
}
