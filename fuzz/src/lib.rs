//! What the fuzz targets share: an endpoint with its driver, two endpoints on a wire, and choices
//! drawn from the fuzzer's bytes.

// In reading order; a module uses only modules declared below it.
mod pair;
mod operations;
mod endpoint;
mod deflating;
mod choice;
mod frame;
mod heap;

pub use choice::Choices;
pub use deflating::{agree, deflate_config};
pub use endpoint::{Endpoint, Report};
pub use frame::frame;
pub use heap::{Counted, peak};
pub use operations::operate;
pub use pair::Pair;
