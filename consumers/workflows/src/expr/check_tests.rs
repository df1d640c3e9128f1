//! What authors are told.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::{Problems, Span, Type};

fn object<const N: usize>(names: [(&str, Type); N]) -> Type {
    Type::Object(Arc::new(names.map(|(name, ty)| (name.to_owned(), ty)).into()))
}

fn scope() -> Scope {
    let line = object([("price", Type::Number), ("name", Type::Text), ("tags", Type::List(Box::new(Type::Text)))]);
    let fields = [
        ("amount", Type::Number),
        ("department", Type::Text),
        ("urgent", Type::Boolean),
        ("due", Type::Date),
        ("moment", Type::DateTime),
        ("lines", Type::List(Box::new(line))),
        ("grid", Type::List(Box::new(Type::List(Box::new(Type::Number))))),
    ];
    let mut scope = Scope::new()
        .fields(fields.map(|(name, ty)| (name.to_owned(), ty)).into())
        .vars([("total".to_owned(), Type::Number)].into())
        .submission()
        .run();
    scope.add_step("mail", object([("status", Type::Text), ("error", Type::Text)]));
    scope.hide_step("later", "the step comes later");
    scope.add_item("line", object([("price", Type::Number)]));
    scope
}

fn ty(text: &str) -> Type {
    match read(text, &scope()) {
        Ok(expr) => expr.ty,
        Err(problems) => panic!("{text}: {problems}"),
    }
}

/// What is told about the text, with the bytes it is about.
fn told(text: &str) -> String {
    match read(text, &scope()) {
        Ok(expr) => panic!("{text} is {}", expr.ty),
        Err(problems) => {
            let lines = problems.0.iter().map(|problem| {
                let span = problem.span.expect("problems of expressions have a span");
                let help = problem.help.as_deref().map_or(String::new(), |help| format!("; {help}"));
                format!("`{}`: {}{help}", &text[span.start..span.end], problem.message)
            });
            lines.collect::<Vec<_>>().join("\n")
        }
    }
}

#[test]
fn an_expression_has_the_type_that_its_parts_give_it() {
    let number = Type::Number;
    for (text, expected) in [
        ("{amount} * 1.19 + {vars.total}", number.clone()),
        ("AND({amount} > 100, {department} = \"HR\")", Type::Boolean),
        ("and({urgent}, not(FALSE))", Type::Boolean),
        ("\"say \"\"hi\"\" \" & {amount}", Type::Text),
        ("{due} >= \"2026-11-26\"", Type::Boolean),
        ("{moment} > \"2026-11-26T08:00:00+01:00\"", Type::Boolean),
        ("IF({urgent}, BLANK, {amount})", number.clone()),
        ("IF({urgent}, \"2026-01-01\", {due})", Type::Date),
        ("COALESCE(BLANK, {department})", Type::Text),
        ("SUM({lines.price})", number.clone()),
        ("SUM(1, {amount}, BLANK)", number.clone()),
        ("MAX([1, 2])", number.clone()),
        ("{lines.name}", Type::List(Box::new(Type::Text))),
        (
            "FIRST({lines})",
            object([("price", number.clone()), ("name", Type::Text), ("tags", Type::List(Box::new(Type::Text)))]),
        ),
        ("{line.price} - -1", number.clone()),
        ("IN({department}, \"HR\", \"IT\")", Type::Boolean),
        ("FAILED(mail)", Type::Boolean),
        ("FAILED({steps.mail})", Type::Boolean),
        ("DATEADD({due}, 3, \"months\")", Type::Date),
        ("DATEADD(NOW(), 3, \"hours\")", Type::DateTime),
        ("DAYSBETWEEN(TODAY(), {due})", number.clone()),
        ("{submission.revision} = 1", Type::Boolean),
        ("{run.started}", Type::DateTime),
        ("[\"ada\", {department}]", Type::List(Box::new(Type::Text))),
        ("ROUND({amount})", number),
        ("MATCHES({department}, \"[A-Z]{2}-\\d+\")", Type::Boolean),
        ("{ fields . amount } <> BLANK", Type::Boolean),
    ] {
        assert_eq!(ty(text), expected, "{text}");
    }
}

#[test]
fn a_problem_points_at_its_place_and_says_what_to_do() {
    for (text, expected) in [
        ("{amout} > 1", "`{amout}`: there is no field `amout`; did you mean {amount}?"),
        ("{vars.totl}", "`{vars.totl}`: there is no variable `totl`; did you mean {vars.total}?"),
        (
            "{steps.mial.status}",
            "`{steps.mial.status}`: there is no step `mial` that has a result; did you mean {steps.mail}?",
        ),
        ("{steps.mail.state}", "`{steps.mail.state}`: `steps.mail` has no `state`; did you mean {steps.mail.status}?"),
        (
            "{steps.later.status}",
            "`{steps.later.status}`: the result of `later` isn't known here: the step comes later",
        ),
        ("FAILED(later)", "`later`: the result of `later` isn't known here: the step comes later"),
        ("{mail.status}", "`{mail.status}`: there is no field `mail`; the result of the step is {steps.mail}"),
        ("{total}", "`{total}`: there is no field `total`; the variable is {vars.total}"),
        ("{amount.cents}", "`{amount.cents}`: `amount` is a number and has no `cents`; write {amount}"),
        (
            "{lines.tags}",
            "`{lines.tags}`: `lines.tags` would be a list of lists; go through the outer list with for_each",
        ),
        ("SUN({lines.price})", "`SUN`: there is no function `SUN`; did you mean SUM(list) or SUM(a, b, …)?"),
        ("{department} + 1", "`{department}`: `+` takes a number, and this is a text; texts are put together by `&`"),
        (
            "{due} + 1",
            "`{due}`: `+` takes a number, and this is a date; write DATEADD(date, n, \"days\") or DAYSBETWEEN(from, to)",
        ),
        (
            "{amount} = \"5\"",
            "`{amount} = \"5\"`: `=` compares a number with a text; VALUE(text) makes a number of a text",
        ),
        (
            "{due} = \"26.11.2026\"",
            "`{due} = \"26.11.2026\"`: `=` compares a date with a text; write a date as \"2026-11-26\"",
        ),
        (
            "{department} < \"b\"",
            "`{department} < \"b\"`: `<` takes numbers, dates and moments, and this is a text; only `=` and `<>` compare anything else",
        ),
        ("LEFT({department})", "`LEFT({department})`: LEFT doesn't take 1 argument; it is called as LEFT(text, n)"),
        ("LEN({amount})", "`{amount}`: LEN takes a text here, and this is a number; TEXT(value) makes a text of it"),
        (
            "CONTAINS({lines.name}, \"a\")",
            "`{lines.name}`: CONTAINS takes a text here, and this is a list of text; JOIN(list, \", \") makes a text of a list, INCLUDES(list, value) looks into one",
        ),
        (
            "\"a\" & {lines}",
            "`{lines}`: this is a list of object (name: text, price: number, tags: list of text), and can't be part of a text; JOIN(list, \", \") makes a text of a list",
        ),
        ("IF({urgent}, 1, \"a\")", "`\"a\"`: IF takes values of one type, and this is a text, not a number"),
        (
            "COUNT({grid})",
            "`{grid}`: COUNT takes a list, but not of lists here, and this is a list of list of number; it is called as COUNT(list)",
        ),
        (
            "DATEADD({due}, 1, \"hours\")",
            "`\"hours\"`: only moments have hours and minutes; a date has no time: count in days, weeks, months or years",
        ),
        (
            "MATCHES({department}, \"(a+)+\")",
            "`\"(a+)+\"`: this pattern can't be used: a group that is repeated has a choice or a repetition in it; only `?` may follow such a group; docs/EXPRESSIONS.md says what patterns are made of",
        ),
        ("{amount} > 1 AND {urgent}", "`AND`: AND stands before what it takes; write AND(a, b)"),
        ("1 < 2 < 3", "`<`: two comparisons in a row; write AND(a < b, b < c), or put one into parentheses"),
        ("{amount} == 1", "`==`: `==` means nothing here; write `=`"),
        ("department = 'HR'", "`'`: `'` means nothing here; put texts into double quotes"),
        (
            "department",
            "`department`: `department` means nothing here; a field is written {department}, a text \"department\"",
        ),
        ("(1 + 2", "`(`: this parenthesis has no end; put `)` where it ends"),
        ("SUM(1, 2", "`(`: this has no end: `)` is missing"),
        ("\"abc", "`\"abc`: this text has no end; put `\"` behind it; within a text write it twice"),
        ("{abc", "`{abc`: this name has no end; put `}` behind it"),
        ("1 +", "``: something is missing at the end; put a value there"),
        (
            "1.2.3",
            "`1.2.3`: `1.2.3` is no number; numbers look like 1200 or 0.5 and have at most 15 digits before the point and 9 behind it",
        ),
        (
            "{amout} + {lin.price}",
            "`{amout}`: there is no field `amout`; did you mean {amount}?\n`{lin.price}`: there is no field `lin`; did you mean {line}?",
        ),
    ] {
        assert_eq!(told(text), expected);
    }
}

#[test]
fn a_template_keeps_what_is_no_expression_and_knows_where_one_ends() {
    let read = |value| read_template(&value, &scope()).expect("a template");
    assert!(matches!(read(json!({"to": ["a", {"b": 1}], "c": null})), Template::Literal(_)));
    assert!(matches!(read(json!("{{ {amount} }}")), Template::Expr(Expr { ty: Type::Number, .. })));
    assert!(matches!(read(json!("{{{amount}}}")), Template::Expr(_)));
    let Template::Text(pieces) = read(json!("a {{ \"}}\" & {department}}} b {{ {line.price} }}")) else {
        panic!("no text");
    };
    assert_eq!(pieces.len(), 4);
    assert!(matches!(read(json!("{{ {amount} }} ")), Template::Text(_)));
}

#[test]
fn a_problem_of_a_template_has_the_way_to_it_and_its_bytes() {
    let value = json!({"to": {"user": "é {{ {amout} }}"}, "names": ["ok", "{{ 1 + }}"], "open": "{{ 1", "list": "a {{ {lines} }}"});
    let Problems(problems) = read_template(&value, &scope()).expect_err("four problems");
    let told: Vec<(&str, Option<Span>)> =
        problems.iter().map(|problem| (problem.place.as_str(), problem.span)).collect();
    let span = |start, end| Some(Span { start, end });
    assert_eq!(told, [("list", span(5, 12)), ("names[1]", span(7, 7)), ("open", span(0, 4)), ("to.user", span(6, 13))]);
}
