//! Apps: their name, owners, mail text and form.

use axum::{Json, extract::State, response::Response};
use schemars::JsonSchema;
use sendoff_events::{AppId, BoxFuture};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    ApiState,
    auth::Caller,
    document,
    fields::{self, Fields},
    fitting::{self, Force},
    form,
    listing::{self, Listed, Paging},
    mutation::Mutation,
    operation::Operation,
    path::Ids,
    problem::{Flaw, Problem},
};
use crate::{
    Record,
    model::{App, MailFlaw, MailTemplate, Stored, app_key, decode, load},
};

/// An app with its id.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AppWithId")]
struct View {
    /// The app's id.
    app_id: AppId,
    #[serde(flatten)]
    app: App,
}

impl View {
    fn of(app_id: AppId, app: App) -> Self {
        Self { app_id, app: App { webhooks: Vec::new(), ..app } }
    }
}

pub(super) fn operations() -> Vec<Operation> {
    const APP: &str = "/v1/apps/{app_id}";
    vec![
        Operation::put(APP, "putApp", "Create an app, or replace one", put)
            .describe(
                "A form that no longer fits a workflow that is switched on is refused: the workflow's runs would fail, or not start. \
                 `errors` tells for each field of which workflow it is, in which step and where. Add the new field beside the old \
                 one, publish workflows that use it, and take the old one out then; or switch the workflow off; or say `force=true`.",
            )
            .upserts()
            .forced()
            .conditional()
            .tagged()
            .takes::<App>(sample())
            .creates::<View>("The app, which is new", sample_view())
            .answers::<View>("The app as it is now", sample_view()),
        Operation::get(APP, "getApp", "One app", get).tagged().answers::<View>("The app", sample_view()),
        Operation::get("/v1/apps", "listApps", "All apps, by id", list)
            .paged()
            .answers::<Listed<View>>("A page of apps", json!({ "items": [sample_view()] })),
    ]
}

async fn put(
    State(api): State<ApiState>,
    Ids(app_id): Ids<AppId>,
    Force(force): Force,
    mut request: Mutation,
) -> Result<Response, Problem> {
    let app = read(request.take_body()?, &app_id)?;
    check_mail(&api, &app)?;
    let key = app_key(&request.caller.tenant, &app_id);
    let path = format!("/v1/{key}");
    // Which workflows and webhooks it has is for the operations on them to say.
    let keep = |app: &App, stored: &App| App {
        workflows: stored.workflows.clone(),
        webhooks: stored.webhooks.clone(),
        ..app.clone()
    };
    let (api, app_id, caller) = (&api, &app_id, &request.caller);
    let may = |stored: App, new: App| -> BoxFuture<'_, Result<(), Problem>> {
        Box::pin(async move { if force { Ok(()) } else { fitting::still(api, caller, app_id, &stored, &new).await } })
    };
    document::put_if(api, &request, (key, path), &app, keep, may, |app| View::of(app_id.clone(), app)).await
}

async fn get(State(api): State<ApiState>, caller: Caller, Ids(app_id): Ids<AppId>) -> Result<Response, Problem> {
    let (app, version) = find(&api, &caller, &app_id).await?;
    Ok(document::show(version, &View::of(app_id, app)))
}

async fn list(State(api): State<ApiState>, caller: Caller, paging: Paging) -> Result<Json<Listed<View>>, Problem> {
    listing::page(&api, &caller, App::COLLECTION, "", &paging, view).await
}

/// The caller's app with its version, or the problem that there is none.
pub(super) async fn find(api: &ApiState, caller: &Caller, app_id: &AppId) -> Result<(App, u64), Problem> {
    let app = load(api.records(), &app_key(&caller.tenant, app_id)).await?;
    app.ok_or_else(|| Problem::not_found(format_args!("app `{app_id}`")))
}

fn view(record: Record) -> Result<View, Problem> {
    let app_id = record.key.id.parse().map_err(|e| Problem::internal(&e))?;
    let (app, _) = decode(record)?;
    Ok(View::of(app_id, app))
}

fn read(body: Value, app_id: &AppId) -> Result<App, Problem> {
    let mut fields = Fields::of(body)?;
    fields.same_id("app_id", app_id.as_str());
    let name = fields.required("name", fields::line::<1, 200>);
    let owners = fields.list("owners", 20, fields::id);
    let submission_mail = fields.nested("submission_mail", |fields| {
        let subject = fields.required("subject", fields::line::<1, 500>);
        let text = fields.required("text", fields::text::<1, 20_000>);
        Some(MailTemplate { subject: subject?, text: text? })
    });
    let form = fields.nested("fields", form::fields);
    fields.pass_over("workflows");
    fields.finish(|| {
        let (fields, workflows, webhooks) = (form.unwrap_or_default(), Vec::new(), Vec::new());
        Some(App { name: name?, owners, submission_mail, fields, workflows, webhooks })
    })
}

/// Refuses a mail template that can give no mail.
fn check_mail(api: &ApiState, app: &App) -> Result<(), Problem> {
    let flaws = app.submission_mail.as_ref().map(|template| api.mail_flaws(template)).unwrap_or_default();
    if flaws.is_empty() {
        return Ok(());
    }
    let flaw = |MailFlaw { part, detail }| Flaw {
        pointer: Some(format!("#/submission_mail/{}", part.name())),
        parameter: None,
        detail,
    };
    Err(Problem::invalid_fields(flaws.into_iter().map(flaw).collect()))
}

fn sample() -> Value {
    json!({
        "name": "Expenses",
        "owners": ["ada"],
        "submission_mail": {
            "subject": "New expense from {{ author.name }}",
            "text": "{{ author.name }} spent {{ submission.fields.amount }}.",
        },
        "fields": { "amount": "number", "reason": "text", "receipts": { "list": "text" } },
    })
}

fn sample_view() -> Value {
    let mut view = sample();
    view["app_id"] = json!("expenses");
    view["workflows"] = json!([{ "name": "expense-approval", "version": 3, "on": ["created", "manual"] }]);
    view
}
