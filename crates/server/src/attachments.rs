//! What a guard has found out about a request, for the route: one value of each type.

use std::any::Any;
use std::sync::Arc;

/// Values of any types. Two pointers wide, and nothing behind them where there are none.
#[derive(Debug, Default)]
pub(crate) struct Attachments(Box<[Arc<dyn Any + Send + Sync>]>);

impl Attachments {
    /// Adds a value, in place of the one of its type, which is returned: its drop is the program's code.
    #[must_use]
    pub(crate) fn put<T: Send + Sync + 'static>(&mut self, value: T) -> Option<Arc<T>> {
        let mut values = std::mem::take(&mut self.0).into_vec();
        let position = values.iter().position(|value| value.is::<T>());
        let earlier = position.map(|position| values.swap_remove(position));
        values.push(Arc::new(value));
        self.0 = values.into();
        earlier?.downcast().ok()
    }

    pub(crate) fn find<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let value = self.0.iter().find(|value| value.is::<T>())?;
        Arc::clone(value).downcast().ok()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_value_of_each_type_and_it_is_found_by_exactly_that() {
        let mut attachments = Attachments::default();
        assert!(attachments.is_empty());
        assert_eq!(attachments.find::<u32>(), None);
        assert_eq!(attachments.put(1_u32), None);
        assert_eq!(attachments.put("ana"), None);
        assert_eq!(attachments.put(Arc::new(7_u64)), None);
        assert_eq!(attachments.put(2_u32).as_deref(), Some(&1));
        assert_eq!(attachments.find::<u32>().as_deref(), Some(&2));
        assert_eq!(attachments.find::<&str>().as_deref(), Some(&"ana"));
        assert_eq!(attachments.find::<u64>(), None);
        assert_eq!(attachments.find::<Arc<u64>>().as_deref(), Some(&Arc::new(7)));
        assert!(!attachments.is_empty());
    }
}
