//! What happens in the demo: four people who want to be told in different ways, two apps, and a day at the office.

use reqwest::Method;
use serde_json::{Value, json};

use super::{client::Client, fate::Ledger};
use sendoff_embedded::program::Stopped;

/// The apps whose timelines are shown.
pub(super) const APPS: [&str; 2] = ["expenses", "holidays"];

/// The reason that the poisoned mails must fail for.
pub(super) const POISON_REASON: &str = "bad-template";

/// The requests, one after the other. `poison` submissions more go to an app whose own mail template asks for a variable
/// that doesn't exist.
pub(super) async fn play(client: &mut Client, ledger: &dyn Ledger, poison: u16) -> Result<(), Stopped> {
    prepare(client).await?;
    if ledger.add_webhook(&client.tenant, APPS[0]).await? {
        client.changed(APPS[0]);
    }
    for (app, user) in [("holidays", "bjorn"), ("expenses", "ada"), ("holidays", "chen"), ("holidays", "dana")] {
        assign(client, Method::PUT, app, user).await?;
    }
    if ledger.does_steps() {
        let definition = serde_json::from_str(include_str!("holidays.json")).map_err(Stopped::failed)?;
        let path = "/v1/apps/holidays/workflows/approve-holiday/versions";
        client.change("admin", Method::POST, path, Some(definition)).await?;
    }
    submit(client, "bjorn", "holidays", json!({ "from": "2026-12-21", "to": "2026-12-31" })).await?;
    let expense = submit(client, "ada", "expenses", json!({ "amount": 12.5, "reason": "Lunch" })).await?;
    let path = format!("/v1/apps/expenses/submissions/{expense}");
    let corrected = json!({ "fields": { "amount": 14.0, "reason": "Lunch" } });
    client.change("ada", Method::PUT, &path, Some(corrected)).await?;
    assign(client, Method::DELETE, "holidays", "bjorn").await?;
    if poison > 0 {
        let template =
            json!({ "subject": "New in {{ app.name }}", "text": "Dear {{ submission.fields.customer }}, ..." });
        let app = json!({ "name": "Complaints", "owners": ["ada"], "submission_mail": template });
        client.change("admin", Method::PUT, "/v1/apps/complaints", Some(app)).await?;
    }
    for number in 1..=poison {
        submit(client, "bjorn", "complaints", json!({ "number": number })).await?;
    }
    Ok(())
}

async fn prepare(client: &mut Client) -> Result<(), Stopped> {
    // Everything: a notification, and of WhatsApp, text message and mail the first that works.
    let ada = json!({
        "name": "Ada", "email": "ada@example.org", "locale": "en", "time_zone": "Europe/London",
        "phone": "+447700900101", "push_tokens": ["ada-phone"],
    });
    // No WhatsApp, so it is a text message.
    let bjorn = json!({
        "name": "Björn", "email": "bjorn@example.org", "locale": "de", "time_zone": "Europe/Berlin",
        "phone": "+447700900102", "channels": { "whatsapp": false },
    });
    // No phone, so it is mail.
    let chen = json!({ "name": "Chen", "email": "chen@example.org" });
    // Nothing at all, and the reason is on record.
    let nothing = json!({ "email": false, "sms": false, "whatsapp": false, "push": false });
    let dana = json!({
        "name": "Dana", "email": "dana@example.org", "phone": "+447700900104", "channels": nothing,
    });
    let holidays = json!({ "name": "Holidays", "owners": ["ada", "bjorn"] });
    let expenses = json!({ "name": "Expenses", "owners": ["bjorn"] });
    for (path, body) in [
        ("/v1/users/ada", ada),
        ("/v1/users/bjorn", bjorn),
        ("/v1/users/chen", chen),
        ("/v1/users/dana", dana),
        ("/v1/apps/holidays", holidays),
        ("/v1/apps/expenses", expenses),
    ] {
        client.change("admin", Method::PUT, path, Some(body)).await?;
    }
    Ok(())
}

async fn assign(client: &mut Client, method: Method, app: &str, user: &str) -> Result<(), Stopped> {
    client.change("admin", method, &format!("/v1/apps/{app}/assignments/{user}"), None).await.map(drop)
}

/// Makes a submission; gives its id.
async fn submit(client: &mut Client, user: &str, app: &str, fields: Value) -> Result<String, Stopped> {
    let path = format!("/v1/apps/{app}/submissions");
    let made = client.change(user, Method::POST, &path, Some(json!({ "fields": fields }))).await?;
    let id = made["submission_id"].as_str();
    id.map(str::to_owned)
        .ok_or_else(|| Stopped::failed(format_args!("{path} answered without a submission id: {made}")))
}
