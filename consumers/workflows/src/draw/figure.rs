//! A plan as figures: boxes one below the other, and lanes beside each other.

use crate::plan::{Action, Block, Kind, OnError, Step, Wait};

/// What a box looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Action,
    Choice,
    Fork,
    Loop,
    Wait,
    Person,
    Set,
    End,
}

/// A step.
pub(super) struct Figure<'a> {
    pub(super) step: &'a Step,
    pub(super) shape: Shape,
    /// What kind of step it is.
    pub(super) kind: &'static str,
    pub(super) lanes: Vec<Lane<'a>>,
    /// Nothing comes after it.
    pub(super) ends: bool,
}

/// A way on from a box.
pub(super) struct Lane<'a> {
    pub(super) label: String,
    pub(super) figures: Vec<Figure<'a>>,
    /// It is the way of what has failed.
    pub(super) is_error: bool,
}

impl<'a> Figure<'a> {
    pub(super) fn of(block: &'a Block) -> Vec<Self> {
        block.iter().map(Self::step).collect()
    }

    fn step(step: &'a Step) -> Self {
        let (shape, kind) = look(&step.kind);
        let ends = matches!(step.kind, Kind::Stop | Kind::Fail { .. });
        Self { step, shape, kind, lanes: lanes(&step.kind), ends }
    }

    /// What people call it.
    pub(super) fn title(&self) -> &'a str {
        self.step.label.as_deref().unwrap_or(&self.step.id)
    }
}

fn look(kind: &Kind) -> (Shape, &'static str) {
    match kind {
        Kind::Act(act) => (
            Shape::Action,
            match act.action {
                Action::Email => "email",
                Action::Sms => "SMS",
                Action::Whatsapp => "WhatsApp",
                Action::Push => "push",
                Action::Http => "HTTP call",
                Action::Database => "database",
                Action::Record => "submission",
            },
        ),
        Kind::If { .. } => (Shape::Choice, "if"),
        Kind::Switch { .. } => (Shape::Choice, "switch"),
        Kind::Parallel { .. } => (Shape::Fork, "at the same time"),
        Kind::ForEach { .. } => (Shape::Loop, "for each"),
        Kind::Wait(Wait::For(_)) => (Shape::Wait, "wait"),
        Kind::Wait(Wait::Until { .. }) => (Shape::Wait, "wait until"),
        Kind::Approval(_) => (Shape::Person, "approval"),
        Kind::Set(_) => (Shape::Set, "set"),
        Kind::Stop => (Shape::End, "stop"),
        Kind::Fail { .. } => (Shape::End, "fail"),
    }
}

fn lanes(kind: &Kind) -> Vec<Lane<'_>> {
    let lane = |label: String, block| Lane { label, figures: Figure::of(block), is_error: false };
    let mut lanes: Vec<Lane<'_>> = match kind {
        Kind::If { branches, otherwise } => {
            let mut lanes: Vec<_> = branches
                .iter()
                .enumerate()
                .map(|(number, (_, block))| lane(if number == 0 { "then".into() } else { "else if".into() }, block))
                .collect();
            lanes.push(lane("else".into(), otherwise));
            lanes
        }
        Kind::Switch { cases, otherwise, .. } => {
            let of = |values: &[serde_json::Value]| {
                let words = values.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
                words.collect::<Vec<_>>().join(", ")
            };
            let mut lanes: Vec<_> = cases.iter().map(|(values, block)| lane(of(values), block)).collect();
            lanes.push(lane("else".into(), otherwise));
            lanes
        }
        Kind::Parallel { branches, .. } => branches.iter().map(|block| lane(String::new(), block)).collect(),
        Kind::ForEach { item, block, .. } => vec![lane(item.clone(), block)],
        _ => Vec::new(),
    };
    if let Some(OnError::Steps(block)) = kind.on_error() {
        if lanes.is_empty() {
            lanes.push(Lane { label: "done".into(), figures: Vec::new(), is_error: false });
        }
        lanes.push(Lane { label: "failed".into(), figures: Figure::of(block), is_error: true });
    }
    lanes
}
