//! What is done at the same time: the blocks of a `parallel` and the items of a `for_each`.

use serde_json::{Value, json};

use super::{
    Failure, What,
    cursor::{Branch, Items},
    drive::{Driver, Failing, Here, Progress, Told},
    limits::{self, MAX_ITEMS},
    scope::Place,
};
use crate::{
    expr::Expr,
    plan::{Block, Kind},
};

/// What a `for_each` says.
struct Each<'a> {
    list: &'a [Value],
    item: &'a str,
    block: &'a Block,
    collect: Option<&'a Expr>,
}

impl Driver<'_> {
    /// All blocks of a `parallel`, in their order as far as they go.
    pub(super) fn all(
        &mut self,
        here: Here<'_>,
        blocks: &[Block],
        all: &mut [Branch],
        place: &mut Place<'_>,
    ) -> Result<Progress, Failing> {
        let Here { step, told, .. } = here;
        let mut through = true;
        for (block, branch) in blocks.iter().zip(all.iter_mut()) {
            let level = place.level();
            let mut inside = Place { results: &mut branch.results, item: None, outer: Some(&level) };
            match self.block(block, &mut branch.cursor, told, &mut inside)? {
                Progress::Done => {}
                Progress::Open => through = false,
                Progress::End => return Ok(Progress::End),
            }
        }
        if !through {
            return Ok(Progress::Open);
        }
        let results: Vec<_> = all.iter().map(|branch| &branch.results).collect();
        limits::check_size(&format!("what the branches of `{}` have come to", step.id), &results)
            .map_err(Failing::Run)?;
        all.iter_mut().for_each(|branch| place.results.append(&mut branch.results));
        self.done(step, What::Done, None, json!({ "status": "done", "error": null }), place)
    }

    /// The items of a `for_each`: those that were begun, and then as many more as may be at the same time.
    pub(super) fn each(
        &mut self,
        here: Here<'_>,
        items: &mut Items,
        place: &mut Place<'_>,
    ) -> Result<Progress, Failing> {
        let Here { step, told, .. } = here;
        let Kind::ForEach { list, item, at_once, block, collect, .. } = &step.kind else { return Ok(Progress::Open) };
        let mut begun: Vec<u32> = match told {
            Told::Afresh => items.open.keys().copied().collect(),
            Told::Signal(instance, _) => {
                let index = instance.items.get(self.items.len()).copied();
                index.filter(|index| items.open.contains_key(index)).into_iter().collect()
            }
        };
        if begun.is_empty() && matches!(told, Told::Signal(..)) {
            return Ok(Progress::Open);
        }
        let list = match self.value(list, here, place)? {
            Value::Array(list) => list,
            _ => Vec::new(),
        };
        if list.len() > MAX_ITEMS {
            let cause = format!("the list of `{}` has {} items, and {MAX_ITEMS} are the most", step.id, list.len());
            return Err(Failing::Run(Failure::new("Workflow.TooManyItems", cause)));
        }
        let each = Each { list: &list, item, block, collect: collect.as_ref() };
        begun.reverse();
        loop {
            let (index, told) = match begun.pop() {
                Some(index) => (index, told),
                None if items.open.len() < (*at_once).max(1) as usize && (items.next as usize) < list.len() => {
                    items.next += 1;
                    items.open.insert(items.next - 1, Branch::default());
                    (items.next - 1, Told::Afresh)
                }
                None => break,
            };
            match self.item(&each, items, index, Here { told, ..here }, place)? {
                Progress::Done | Progress::Open => {}
                Progress::End => return Ok(Progress::End),
            }
        }
        if !items.open.is_empty() {
            return Ok(Progress::Open);
        }
        let mut result = json!({ "status": "done", "error": null, "count": list.len() });
        if collect.is_some() {
            result["results"] = std::mem::take(&mut items.kept).into();
        }
        self.done(step, What::Done, None, result, place)
    }

    /// One item.
    fn item(
        &mut self,
        each: &Each<'_>,
        items: &mut Items,
        index: u32,
        here: Here<'_>,
        place: &Place<'_>,
    ) -> Result<Progress, Failing> {
        let Some(branch) = items.open.get_mut(&index) else { return Ok(Progress::Open) };
        let item = each.list.get(index as usize).unwrap_or(&Value::Null);
        let level = place.level();
        let mut inside = Place { results: &mut branch.results, item: Some((each.item, item)), outer: Some(&level) };
        self.items.push(index);
        let gone = self.block(each.block, &mut branch.cursor, here.told, &mut inside);
        self.items.pop();
        let progress = gone?;
        if progress != Progress::Done {
            return Ok(progress);
        }
        if let Some(collect) = each.collect {
            let kept = self.value(collect, Here { since: self.now, ..here }, &inside)?;
            if items.kept.len() <= index as usize {
                items.kept.resize(index as usize + 1, Value::Null);
            }
            items.kept[index as usize] = kept;
        }
        items.open.remove(&index);
        Ok(Progress::Done)
    }
}
