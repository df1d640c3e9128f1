//! Branding: how a tenant's messages look.

use axum::{Json, extract::State, response::IntoResponse as _, response::Response};
use serde_json::{Value, json};

use super::{
    ApiState,
    auth::Caller,
    contact, document,
    fields::{self, Fields},
    mutation::Mutation,
    operation::Operation,
    problem::Problem,
};
use crate::model::{Branding, branding_key, load};

const PATH: &str = "/v1/branding";

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::put(PATH, "putBranding", "Say how your messages look", put)
            .describe("Mails that are written from then on look so.")
            .upserts()
            .conditional()
            .tagged()
            .takes::<Branding>(sample())
            .creates::<Branding>("The branding, which is new", sample())
            .answers::<Branding>("The branding as it is now", sample()),
        Operation::get(PATH, "getBranding", "How your messages look", get)
            .describe("Empty, and without an `ETag`, as long as nobody has said anything.")
            .tagged()
            .answers::<Branding>("The branding", sample()),
    ]
}

async fn put(State(api): State<ApiState>, mut request: Mutation) -> Result<Response, Problem> {
    let branding = read(request.take_body()?)?;
    let key = branding_key(&request.caller.tenant);
    let keep = |branding: &Branding, _: &Branding| branding.clone();
    document::put(&api, &request, (key, PATH.to_owned()), &branding, keep, |branding| branding).await
}

async fn get(State(api): State<ApiState>, caller: Caller) -> Result<Response, Problem> {
    let stored = load::<Branding>(api.records(), &branding_key(&caller.tenant)).await?;
    Ok(match stored {
        Some((branding, version)) => document::show(version, &branding),
        None => Json(Branding::default()).into_response(),
    })
}

fn read(body: Value) -> Result<Branding, Problem> {
    let mut fields = Fields::of(body)?;
    let name = fields.optional("name", fields::line::<1, 100>);
    let logo_url = fields.optional("logo_url", logo);
    let color = fields.optional("color", color);
    let footer = fields.optional("footer", fields::line::<1, 500>);
    fields.finish(|| Some(Branding { name, logo_url, color, footer }))
}

fn logo(value: Value) -> Result<String, String> {
    let url = contact::https(value)?;
    if url.len() <= 500 { Ok(url) } else { Err("has more than 500 characters".into()) }
}

fn color(value: Value) -> Result<String, String> {
    let text = fields::string(value)?;
    let valid =
        text.strip_prefix('#').is_some_and(|digits| digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()));
    if valid { Ok(text) } else { Err("is not a colour such as `#0055aa`".into()) }
}

fn sample() -> Value {
    json!({
        "name": "Acme",
        "logo_url": "https://acme.example/logo.png",
        "color": "#0055aa",
        "footer": "Acme Ltd, 1 Road, Town",
    })
}
