//! What `check` finds.

use super::standard;
use crate::templates::{CheckReport, Finding};

fn checked(files: &[(&str, &str)]) -> CheckReport {
    let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    standard().with_files(files).unwrap().check().unwrap()
}

fn lines(findings: &[Finding]) -> Vec<String> {
    findings
        .iter()
        .map(|finding| format!("{}: {} ({})", finding.template, finding.what, finding.samples.join(", ")))
        .collect()
}

#[test]
fn the_standard_templates_are_good_with_every_sample() {
    let report = checked(&[]);
    assert_eq!((lines(&report.problems), lines(&report.warnings)), (vec![], vec![]));
    // Channels × languages × brandings × samples of both events, and the mail of an approval.
    assert_eq!(report.rendered, 4 * 2 * 2 * (2 + 3) + 2 * 2 * 2);
}

#[test]
fn a_variable_that_not_every_event_has_is_found_with_the_samples_that_lack_it() {
    let report = checked(&[
        ("sms/app-assigned/en.txt", "{{ user.name }} {{ assigned_by.name }} {{ app.name }} {{ unsubscribe_url }}"),
        ("push/welcome/en/title.txt", "Hi {{ user.name }}"),
        ("push/welcome/en/body.txt", "{{ nobody.name }}"),
    ]);
    let all = "app.assigned.v1, app.assigned.v1.minimal, approval, approval.minimal, submission.created.v1, \
               submission.created.v2, submission.created.v2.minimal";
    assert_eq!(
        lines(&report.problems),
        [
            format!("push/welcome/en/body.txt: line 1, at `nobody.name`: there is no such variable ({all})"),
            "sms/app-assigned/en.txt: line 1, at `unsubscribe_url`: there is no such variable (app.assigned.v1.minimal)"
                .into(),
        ]
    );
}

#[test]
fn a_template_named_after_no_event_is_good_when_it_is_good_with_one() {
    let report = checked(&[("sms/new-entry/en.txt", "{{ author.name }}: {{ submission.id }}")]);
    assert_eq!(lines(&report.problems), Vec::<String>::new());
}

#[test]
fn what_a_language_or_a_text_part_leaves_out_is_found() {
    let report = checked(&[
        ("sms/app-assigned/de.txt", "Hallo {{ user.name }}, {{ app.name }} ist da."),
        (
            "email/app-assigned/en/body.txt",
            "Hello {{ user.name }}, {{ app.name }} by {{ assigned_by.name }} {{ app.id }}",
        ),
        (
            "email/submission-created/de/body.txt",
            "Hallo {{ user.name }}, {{ app.name }} {{ author.name }} {{ submission.id }}",
        ),
    ]);
    assert_eq!(
        lines(&report.problems),
        [
            "email/app-assigned/de: it doesn't use `app.id`, which the English one does ()",
            "email/app-assigned/en: its HTML part doesn't use `app.id`, which its text part does ()",
            "email/submission-created/de: its text part doesn't use `submission.fields`, which its HTML part does ()",
            "sms/app-assigned/de: it doesn't use `assigned_by.name`, which the English one does ()",
        ]
    );
}

#[test]
fn what_costs_more_than_it_seems_is_a_warning() {
    let long = "All of this text is as long as it is. ".repeat(10);
    let report = checked(&[
        ("sms/welcome/en.txt", "„{{ user.name }}“"),
        ("sms/goodbye/en.txt", &format!("{long}{{{{ user.name }}}}")),
    ]);
    assert_eq!(lines(&report.problems), Vec::<String>::new());
    assert_eq!(
        lines(&report.warnings),
        [
            "sms/goodbye/en.txt: it takes 3 segments (app.assigned.v1, app.assigned.v1.minimal)",
            "sms/welcome/en.txt: `„` makes it UCS-2: 70 characters in a segment (app.assigned.v1, app.assigned.v1.minimal)",
        ]
    );
}
