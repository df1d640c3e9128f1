//! What is done in the world. The fields of messages are those of the calls in `consumers/src/handlers/action`.

use std::collections::BTreeMap;

use super::{Formula, Json, Words, shape::object};
use crate::Type;

object! {
    /// Who gets a message: exactly one of the two.
    #[schemars(extend("oneOf" = [{ "required": ["user"] }, { "required": ["address"] }]))]
    To {
        /// The id of a user, who is reached as their record says.
        user: Option<Words>,
        /// An email address, a phone number such as `+491701234567`, or the registration token of a device.
        address: Option<Words>,
    }
}

object! {
    /// One of the deployment's own templates.
    MailTemplate {
        /// Its name.
        name: Words,
        /// The language; the user's by default.
        locale: Option<Words>,
        /// What it is filled with.
        data: Option<Json>,
    }
}

object! {
    /// A mail: `template`, or `subject` and `text`.
    Email {
        /// Who gets it.
        to: To,
        /// Its subject.
        subject: Option<Words>,
        /// Its text.
        text: Option<Words>,
        /// The same as HTML, in which values are escaped; made of the text by default.
        html: Option<Words>,
        /// In place of subject and text.
        template: Option<MailTemplate>,
    }
}

object! {
    /// A text message: `template` or `text`.
    Sms {
        /// Who gets it.
        to: To,
        /// Its text.
        text: Option<Words>,
        /// In place of the text.
        template: Option<MailTemplate>,
    }
}

object! {
    /// A WhatsApp message: `approved_template`, `template`, or `text` to somebody who wrote in the last 24 hours.
    Whatsapp {
        /// Who gets it.
        to: To,
        /// Its text.
        text: Option<Words>,
        /// In place of the text: one of ours.
        template: Option<MailTemplate>,
        /// In place of the text: one that Meta has approved.
        approved_template: Option<ApprovedTemplate>,
    }
}

object! {
    /// A WhatsApp template that Meta has approved.
    ApprovedTemplate {
        /// Its name.
        name: Words,
        /// Its language: `de`.
        language: Words,
        /// Twilio's id of it: `HX…`.
        content_sid: Option<Words>,
        /// What stands for `{{1}}`, `{{2}}` and so on.
        parameters: Option<Vec<Words>>,
        /// The text as it is read, for the records.
        text: Option<Words>,
    }
}

object! {
    /// A push message: `template`, or `title` and `body`.
    Push {
        /// Who gets it.
        to: To,
        /// Its title.
        title: Option<Words>,
        /// The text below it.
        body: Option<Words>,
        /// What the app on the device is told besides.
        #[schemars(default)]
        data: BTreeMap<String, Words>,
        /// In place of title and body.
        template: Option<MailTemplate>,
    }
}

object! {
    /// A call of another system, through a connection that the deployment has: it knows the host and the credentials.
    Http {
        /// The name of the connection.
        connection: String,
        /// `GET`, `HEAD`, `POST`, `PUT`, `PATCH` or `DELETE`.
        #[schemars(extend("enum" = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]))]
        method: String,
        /// Where, from `/`, below the connection's own path.
        path: Words,
        /// What stands behind the `?`: texts, numbers, booleans, and lists of them.
        #[schemars(default)]
        query: BTreeMap<String, Json>,
        /// Headers, beside those that the connection adds.
        #[schemars(default)]
        headers: BTreeMap<String, Words>,
        /// The body, sent as JSON.
        body: Option<Json>,
        /// Whether doing it twice is the same as once. It is for `GET`, `HEAD`, `PUT` and `DELETE`.
        idempotent: Option<bool>,
        /// What of the answer is kept, by name.
        #[schemars(default)]
        response: BTreeMap<String, Mapping>,
    }
}

object! {
    /// A part of an answer.
    Mapping {
        /// A JSON Pointer (RFC 6901) into the body: `/id`.
        at: String,
        /// What it is; another is a failure.
        r#type: Type,
    }
}

object! {
    /// A statement in a database, through a connection that the deployment has.
    Database {
        /// The name of the connection.
        connection: String,
        /// One statement. Values are never part of it: it names them, `:name`.
        sql: String,
        /// The values, by name.
        #[schemars(default)]
        params: BTreeMap<String, Formula>,
        /// The columns of the rows that it returns, and their types.
        #[schemars(default)]
        returns: BTreeMap<String, Type>,
    }
}

object! {
    /// A submission made or changed: exactly one of `create` and `update`.
    #[schemars(extend("oneOf" = [{ "required": ["create"] }, { "required": ["update"] }]))]
    Record {
        /// The app it belongs to.
        app: String,
        /// The id of the user in whose name it is done; the author of the submission by default.
        author: Option<Words>,
        /// Makes one.
        create: Option<Create>,
        /// Changes one.
        update: Option<Update>,
    }
}

object! {
    /// A new submission.
    Create {
        /// Its fields.
        fields: BTreeMap<String, Json>,
    }
}

object! {
    /// A change of a submission.
    Update {
        /// The id of the submission.
        submission: Words,
        /// The fields that change.
        fields: BTreeMap<String, Json>,
    }
}
