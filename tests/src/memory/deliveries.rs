use std::collections::BTreeMap;

use sendoff_consumers::{Deliveries, DeliveriesError, DeliveryId, DeliveryNews, DeliveryRecord, merge};
use sendoff_events::{BoxFuture, Timestamp};

use super::{NoAnswer, Remote};

/// What is known of each message from its provider.
pub type DeliveriesState = BTreeMap<DeliveryId, DeliveryRecord>;

/// The delivery records as a map.
pub struct MemoryDeliveries(pub Remote<DeliveriesState>);

fn unavailable(_: NoAnswer) -> DeliveriesError {
    DeliveriesError("no answer".into())
}

impl Deliveries for MemoryDeliveries {
    fn tell<'a>(
        &'a self,
        id: &'a DeliveryId,
        news: &'a DeliveryNews,
        since: Timestamp,
    ) -> BoxFuture<'a, Result<bool, DeliveriesError>> {
        let (id, news) = (id.clone(), news.clone());
        let answer = self.0.call(move |records, _| {
            let newer = merge(records.get(&id), &news, since);
            let changed = newer.is_some();
            records.extend(newer.map(|record| (id, record)));
            changed
        });
        Box::pin(async move { answer.await.map_err(unavailable) })
    }

    fn get<'a>(&'a self, id: &'a DeliveryId) -> BoxFuture<'a, Result<Option<DeliveryRecord>, DeliveriesError>> {
        let id = id.clone();
        let answer = self.0.call(move |records, _| records.get(&id).cloned());
        Box::pin(async move { answer.await.map_err(unavailable) })
    }
}
