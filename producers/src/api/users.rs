//! Users: who they are and how to reach them.

use std::collections::{BTreeMap, BTreeSet};

use axum::{Json, extract::State, http::StatusCode, response::Response};
use schemars::JsonSchema;
use sendoff_events::{Personal, UserId, catalogue};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    ApiState,
    auth::Caller,
    contact, document,
    fields::{self, Fields},
    listing::{self, Listed, Paging},
    mutation::{Mutation, Plan, Planning},
    operation::Operation,
    path::Ids,
    problem::Problem,
};
use crate::{
    Answer, Expected, Record, Write,
    model::{Channel, QuietHours, Stored, User, WORKFLOW, decode, load, user_key},
};

/// A user with their id.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UserWithId")]
struct View {
    /// The user's id.
    user_id: UserId,
    #[serde(flatten)]
    user: User,
}

pub(super) fn operations() -> Vec<Operation> {
    const USER: &str = "/v1/users/{user_id}";
    const OPT_OUT: &str = "/v1/users/{user_id}/opted-out/{event}/{channel}";
    vec![
        Operation::put(USER, "putUser", "Create a user, or replace one", put)
            .upserts()
            .conditional()
            .tagged()
            .takes::<User>(sample())
            .creates::<View>("The user, who is new", sample_view())
            .answers::<View>("The user as they are now", sample_view()),
        Operation::get(USER, "getUser", "One user", get).tagged().answers::<View>("The user", sample_view()),
        Operation::delete(OPT_OUT, "takeBackOptOut", "Take back that a user has unsubscribed from something", take_back)
            .describe(
                "Only on the user's own wish: they have followed the link in a message, or somebody has to whom they passed it \
                 on. What was left out before is not sent. Nothing of this is said on other channels or about other events.",
            )
            .conditional()
            .empties("They are not unsubscribed from it any more"),
        Operation::get("/v1/users", "listUsers", "All users, by id", list)
            .paged()
            .answers::<Listed<View>>("A page of users", json!({ "items": [sample_view()], "next": "616461" })),
    ]
}

async fn put(
    State(api): State<ApiState>,
    Ids(user_id): Ids<UserId>,
    mut request: Mutation,
) -> Result<Response, Problem> {
    let user = read(request.take_body()?, &user_id)?;
    let key = user_key(&request.caller.tenant, &user_id);
    let path = format!("/v1/{key}");
    // What they have unsubscribed from is theirs to say.
    let keep = |user: &User, stored: &User| User { opted_out: stored.opted_out.clone(), ..user.clone() };
    document::put(&api, &request, (key, path), &user, keep, |user| View { user_id: user_id.clone(), user }).await
}

async fn take_back(
    State(api): State<ApiState>,
    Ids((user_id, event, channel)): Ids<(UserId, String, Channel)>,
    request: Mutation,
) -> Result<Response, Problem> {
    request.refuse_body_fields()?;
    let key = user_key(&request.caller.tenant, &user_id);
    let plan = || -> Planning<'_> {
        Box::pin(async {
            let (mut user, version) = find(&api, &request.caller, &user_id).await?;
            request.check_version(Some(version))?;
            let channels = user.opted_out.get_mut(&event);
            if !channels.is_some_and(|channels| channels.remove(&channel)) {
                let what = format_args!("an unsubscription of user `{user_id}` from this event by {}", channel.name());
                return Err(Problem::not_found(what));
            }
            user.opted_out.retain(|_, channels| !channels.is_empty());
            let data = serde_json::to_value(&user).map_err(|e| Problem::internal(&e))?;
            let write = Write { key: key.clone(), expected: Expected::Version(version), data: Some(data) };
            let status = StatusCode::NO_CONTENT.as_u16();
            let answer = Answer { status, location: None, etag: None, events: Vec::new(), body: String::new() };
            Ok(Plan::silent(vec![write], answer))
        })
    };
    request.run(&api, plan).await
}

async fn find(api: &ApiState, caller: &Caller, user_id: &UserId) -> Result<(User, u64), Problem> {
    let user = load(api.records(), &user_key(&caller.tenant, user_id)).await?;
    user.ok_or_else(|| Problem::not_found(format_args!("user `{user_id}`")))
}

async fn get(State(api): State<ApiState>, caller: Caller, Ids(user_id): Ids<UserId>) -> Result<Response, Problem> {
    let (user, version) = find(&api, &caller, &user_id).await?;
    Ok(document::show(version, &View { user_id, user }))
}

async fn list(State(api): State<ApiState>, caller: Caller, paging: Paging) -> Result<Json<Listed<View>>, Problem> {
    listing::page(&api, &caller, User::COLLECTION, "", &paging, view).await
}

fn view(record: Record) -> Result<View, Problem> {
    let user_id = record.key.id.parse().map_err(|e| Problem::internal(&e))?;
    let (user, _) = decode(record)?;
    Ok(View { user_id, user })
}

fn read(body: Value, user_id: &UserId) -> Result<User, Problem> {
    let mut fields = Fields::of(body)?;
    fields.same_id("user_id", user_id.as_str());
    fields.pass_over("opted_out");
    let name = fields.required("name", fields::line::<1, 200>);
    let email = fields.optional("email", contact::email);
    let phone = fields.optional("phone", contact::phone);
    let locale = fields.optional("locale", contact::locale);
    let time_zone = fields.optional("time_zone", contact::time_zone);
    let channels = fields.nested("channels", |fields| Some(channels(fields)));
    let events = fields.nested("events", |fields| Some(events(fields)));
    let quiet_hours = fields.nested("quiet_hours", quiet_hours);
    let push_tokens = fields.list("push_tokens", 10, contact::push_token);
    let known: BTreeSet<&String> = push_tokens.iter().collect();
    if known.len() < push_tokens.len() {
        fields.blame(&["push_tokens"], "names a device twice".into());
    }
    fields.finish(|| {
        Some(User {
            name: Personal::new(name?),
            email: email.map(Personal::new),
            phone: phone.map(Personal::new),
            locale: locale.unwrap_or_else(|| "en".into()),
            time_zone: time_zone.unwrap_or_else(|| "UTC".into()),
            channels: channels.unwrap_or_default(),
            events: events.unwrap_or_default(),
            quiet_hours,
            push_tokens: push_tokens.into_iter().map(Personal::new).collect(),
            opted_out: BTreeMap::new(),
        })
    })
}

fn channels(fields: &mut Fields) -> BTreeMap<Channel, bool> {
    let mut wanted = BTreeMap::new();
    for channel in [Channel::Email, Channel::Sms, Channel::Whatsapp, Channel::Push] {
        if let Some(wants) = fields.optional(channel.name(), fields::boolean) {
            wanted.insert(channel, wants);
        }
    }
    wanted
}

/// Wishes by event. An event that nobody is told of is an unknown field.
fn events(fields: &mut Fields) -> BTreeMap<String, BTreeMap<Channel, bool>> {
    let mut wanted = BTreeMap::new();
    for name in catalogue::TOLD.into_iter().chain([WORKFLOW]) {
        if let Some(channels) = fields.nested(name, |fields| Some(channels(fields))) {
            wanted.insert(name.to_owned(), channels);
        }
    }
    wanted
}

fn quiet_hours(fields: &mut Fields) -> Option<QuietHours> {
    let from = fields.required("from", contact::time_of_day);
    let to = fields.required("to", contact::time_of_day);
    let (from, to) = (from?, to?);
    if from == to {
        fields.blame(&["to"], "is when they begin: leave `quiet_hours` out if there are none".into());
    }
    Some(QuietHours { from, to })
}

fn sample() -> Value {
    json!({
        "name": "Ada Lovelace",
        "email": "ada@example.org",
        "phone": "+4930123456",
        "locale": "en-GB",
        "time_zone": "Europe/London",
        "channels": { "email": true, "sms": false },
        "events": { "submission.created": { "push": false } },
        "quiet_hours": { "from": "22:00", "to": "07:00" },
        "push_tokens": ["bk3RNwTe3H0:CI2k_HHwgIpoDKCIZvvDMExUdFQ3P1"],
    })
}

fn sample_view() -> Value {
    let mut view = sample();
    view["user_id"] = json!("ada");
    view["opted_out"] = json!({ "app.assigned": ["email"] });
    view
}
