//! Tokens: who gets in, and every known way to cheat.

use std::time::Duration;

use axum::http::StatusCode;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use sendoff_producers::api::{DevelopmentKey, Key, KeyError, KeySet, Refusal, SharedSecret, SigningKey, mint};
use serde_json::{Value, json};

use crate::world::{Reply, World};

const ISSUER: &str = "https://id.example.org";
const AUDIENCE: &str = "sendoff-api";
const RSA: &[u8] = include_bytes!("keys/rsa.pem");
const RSA_PUBLIC: &[u8] = include_bytes!("keys/rsa.pub.pem");
const P256: &[u8] = include_bytes!("keys/p256.pem");
const P256_PUBLIC: &[u8] = include_bytes!("keys/p256.pub.pem");
const ED25519: &[u8] = include_bytes!("keys/ed25519.pem");
const ED25519_PUBLIC: &[u8] = include_bytes!("keys/ed25519.pub.pem");
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn world() -> World {
    let keys = KeySet::new()
        .with("shared", Key::hs256(ISSUER, AUDIENCE, &SharedSecret::new(SECRET).unwrap()))
        .and_then(|keys| keys.with("rsa", Key::rs256(ISSUER, AUDIENCE, RSA_PUBLIC)?))
        .and_then(|keys| keys.with("p256", Key::es256(ISSUER, AUDIENCE, P256_PUBLIC)?))
        .and_then(|keys| keys.with("ed", Key::eddsa(ISSUER, AUDIENCE, ED25519_PUBLIC)?));
    World::trusting(keys.unwrap(), |state| state)
}

/// Claims that are accepted in the test world, which begins at 1,795,000,000.
fn claims() -> Value {
    json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "grace", "tenant": "acme", "exp": 1_795_000_600 })
}

fn signed(claims: &Value) -> String {
    token(Algorithm::HS256, "shared", claims, &EncodingKey::from_secret(SECRET))
}

fn token(algorithm: Algorithm, kid: &str, claims: &Value, key: &EncodingKey) -> String {
    encode(&Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) }, claims, key).unwrap()
}

fn get(world: &World, token: &str) -> Reply {
    world.get("/v1/users").token(token).send()
}

#[track_caller]
fn refused(world: &World, token: &str, why: &str) {
    let reply = get(world, token);
    assert_eq!(reply.problem(StatusCode::UNAUTHORIZED), "unauthorized");
    let detail = reply.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains(why), "{detail}");
    let challenge = reply.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("Bearer ") && challenge.contains("invalid_token"), "{challenge}");
    assert!(token.len() < 20 || !reply.text.contains(token), "the answer repeats the token");
}

fn unsigned_part(value: &Value) -> String {
    // Base64url by hand: the tests forge tokens that no library would make.
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in value.to_string().as_bytes().chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * place)) as usize & 63]));
        }
    }
    text
}

#[test]
fn every_algorithm_that_a_key_can_have_is_accepted_with_that_key() {
    let world = world();
    for (algorithm, kid, key) in [
        (Algorithm::HS256, "shared", EncodingKey::from_secret(SECRET)),
        (Algorithm::RS256, "rsa", EncodingKey::from_rsa_pem(RSA).unwrap()),
        (Algorithm::ES256, "p256", EncodingKey::from_ec_pem(P256).unwrap()),
        (Algorithm::EdDSA, "ed", EncodingKey::from_ed_pem(ED25519).unwrap()),
    ] {
        get(&world, &token(algorithm, kid, &claims(), &key)).expect(StatusCode::OK);
    }
}

#[test]
fn a_request_without_a_token_is_challenged() {
    let world = world();
    for call in [
        world.get("/v1/users").without("authorization"),
        world.get("/v1/users").header("authorization", "Basic Z3JhY2U6aG9wcGVy"),
        world.get("/v1/users").header("authorization", "Bearer"),
    ] {
        let reply = call.send();
        assert_eq!(reply.problem(StatusCode::UNAUTHORIZED), "unauthorized");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer realm=\"sendoff\""));
    }
}

#[test]
fn garbage_is_refused() {
    let world = world();
    for garbage in ["x", "a.b.c", "..", &"x".repeat(100_000)] {
        refused(&world, garbage, "not a signed JWT");
    }
}

#[test]
fn a_token_without_a_signature_is_refused() {
    for algorithm in ["none", "None", "NONE", ""] {
        let header = unsigned_part(&json!({ "alg": algorithm, "kid": "shared" }));
        refused(&world(), &format!("{header}.{}.", unsigned_part(&claims())), "not a signed JWT");
    }
    let header = unsigned_part(&json!({ "alg": "HS256", "kid": "shared" }));
    refused(&world(), &format!("{header}.{}.", unsigned_part(&claims())), "signature");
}

#[test]
fn a_public_key_is_no_shared_secret() {
    for (kid, public) in [("rsa", RSA_PUBLIC), ("p256", P256_PUBLIC), ("ed", ED25519_PUBLIC)] {
        let forged = token(Algorithm::HS256, kid, &claims(), &EncodingKey::from_secret(public));
        refused(&world(), &forged, "algorithm");
    }
}

#[test]
fn a_key_of_one_s_own_is_refused_whatever_it_is_called() {
    let own = EncodingKey::from_secret(b"a secret of my own, long enough to be one");
    refused(&world(), &token(Algorithm::HS256, "shared", &claims(), &own), "signature");
    refused(&world(), &token(Algorithm::HS256, "mine", &claims(), &own), "key is not known");
    refused(&world(), &token(Algorithm::HS256, "../../dev/null", &claims(), &own), "key is not known");
    refused(&world(), &encode(&Header::default(), &claims(), &own).unwrap(), "key is not known");
}

#[test]
fn a_changed_claim_breaks_the_signature() {
    let token = signed(&claims());
    let parts: Vec<_> = token.split('.').collect();
    let mut other = claims();
    other["tenant"] = json!("umbrella");
    refused(&world(), &format!("{}.{}.{}", parts[0], unsigned_part(&other), parts[2]), "signature");
}

#[test]
fn a_critical_extension_is_refused_because_nobody_here_understands_it() {
    let header = Header { kid: Some("shared".into()), crit: Some(vec!["exp".into()]), ..Header::default() };
    refused(&world(), &encode(&header, &claims(), &EncodingKey::from_secret(SECRET)).unwrap(), "not a signed JWT");
}

#[test]
fn a_token_expires_after_a_small_leeway() {
    let world = world();
    let token = signed(&claims());
    world.clock.advance(Duration::from_secs(629));
    get(&world, &token).expect(StatusCode::OK);
    world.clock.advance(Duration::from_secs(1));
    refused(&world, &token, "expired");
}

#[test]
fn claims_that_do_not_fit_are_refused() {
    let world = world();
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        signed(&claims)
    };
    refused(&world, &with("iss", json!("https://evil.example.org")), "issuer");
    refused(&world, &with("aud", json!("another-api")), "audience");
    refused(&world, &with("nbf", json!(1_795_000_300)), "not valid yet");
    for (name, value) in [
        ("nbf", json!("soon")),
        ("exp", json!("later")),
        ("tenant", json!("../other")),
        ("tenant", json!(7)),
        ("sub", json!("")),
        ("scope", json!(["read"])),
    ] {
        refused(&world, &with(name, value), "lacks a valid claim");
    }
}

#[test]
fn a_missing_claim_is_refused() {
    for name in ["exp", "iss", "aud", "sub", "tenant"] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        refused(&world(), &signed(&claims), "lacks a valid claim");
    }
}

#[test]
fn a_scope_limits_what_the_token_allows() {
    let world = world();
    let scoped = |scope: &str| {
        let mut claims = claims();
        claims["scope"] = json!(scope);
        signed(&claims)
    };
    let put = |token: &str| world.put("/v1/users/ada").json(&json!({ "name": "Ada" })).token(token).send();
    put(&scoped("read write")).expect(StatusCode::CREATED);
    get(&world, &scoped("read")).expect(StatusCode::OK);
    let denied = put(&scoped("read"));
    assert_eq!(denied.problem(StatusCode::FORBIDDEN), "insufficient-scope");
    assert!(denied.header("www-authenticate").unwrap().contains("scope=\"write\""));
    get(&world, &scoped("write")).problem(StatusCode::FORBIDDEN);
    get(&world, &scoped("")).problem(StatusCode::FORBIDDEN);
}

#[test]
fn a_minted_token_opens_its_tenant() {
    let world = world();
    let key = SigningKey::hs256("shared", ISSUER, AUDIENCE, &SharedSecret::new(SECRET).unwrap());
    let (tenant, subject) = ("acme".parse().unwrap(), "grace".parse().unwrap());
    let token = mint(&key, &tenant, &subject, Duration::from_secs(60), &*world.clock).unwrap();
    get(&world, &token).expect(StatusCode::OK);
}

#[test]
fn the_development_key_opens_nothing_to_a_request_for_another_host() {
    let world = World::new();
    let token = world.token("acme", "grace");
    let get = |host: &str| world.get("/v1/users").token(&token).header("host", host).send();
    get("localhost:8080").expect(StatusCode::OK);
    // A proxy before it, or a web page that has its own name lead here.
    for host in ["notify.example.org", "evil.example:8080"] {
        let reply = get(host);
        assert_eq!(reply.problem(StatusCode::UNAUTHORIZED), "unauthorized");
        assert!(
            reply.json()["detail"].as_str().unwrap().contains("everybody knows the development key"),
            "{}",
            reply.text
        );
    }
}

#[test]
fn the_development_key_opens_nothing_where_it_was_not_allowed() {
    let world = world();
    refused(&world, &world.token("acme", "grace"), "key is not known");
    for address in ["0.0.0.0:80", "192.168.1.2:80", "[::]:80", "[2001:db8::1]:80"] {
        assert!(DevelopmentKey::loopback(address.parse().unwrap()).is_err(), "{address}");
    }
    assert!(DevelopmentKey::loopback("[::1]:80".parse().unwrap()).is_ok());
}

#[test]
fn keys_that_would_weaken_the_check_are_refused() {
    assert!(matches!(SharedSecret::new(&SECRET[..31]), Err(KeyError::ShortSecret(31))));
    assert!(matches!(SharedSecret::new(RSA_PUBLIC), Err(KeyError::SecretIsPem)));
    let known = b"sendoff development key: loopback only, never a secret";
    assert!(matches!(SharedSecret::new(&known[..]), Err(KeyError::SecretIsPublic)));
    assert!(matches!(Key::rs256(ISSUER, AUDIENCE, RSA), Err(KeyError::Private)));
    assert!(matches!(Key::es256(ISSUER, AUDIENCE, RSA_PUBLIC), Err(KeyError::NotPem { .. })));
    assert!(matches!(Key::rs256(ISSUER, AUDIENCE, b"nonsense"), Err(KeyError::NotPem { .. })));
}

#[test]
fn debug_output_shows_no_secret() {
    let secret = SharedSecret::new(SECRET).unwrap();
    let key = Key::hs256(ISSUER, AUDIENCE, &secret);
    let signing = SigningKey::hs256("shared", ISSUER, AUDIENCE, &secret);
    let set = KeySet::new().with("shared", key.clone()).unwrap();
    let printed = format!("{secret:?} {key:?} {signing:?} {set:?}");
    let text = std::str::from_utf8(SECRET).unwrap();
    let bytes = format!("{:?}", &SECRET[..4]).replace(['[', ']'], "");
    assert!(!printed.contains(text) && !printed.contains(&bytes), "{printed}");
}

#[test]
fn an_authorizer_comes_to_the_same_judgement() {
    let now = sendoff_events::Timestamp::from_second(1_795_000_000).unwrap();
    let keys = KeySet::new().with("shared", Key::hs256(ISSUER, AUDIENCE, &SharedSecret::new(SECRET).unwrap())).unwrap();
    let mut claims = claims();
    claims["scope"] = json!("read");
    let identity = keys.identify(&format!("bearer {}", signed(&claims)), now).unwrap();
    assert_eq!((identity.tenant.as_str(), identity.subject.as_str()), ("acme", "grace"));
    assert_eq!(identity.scopes.as_deref(), Some("read"));
    claims["exp"] = json!(1_794_999_000);
    let late = format!("Bearer {}", signed(&claims));
    for (header, refusal) in [
        (late.as_str(), Refusal::Expired),
        ("Bearer nonsense", Refusal::Malformed),
        ("Basic Z3JhY2U6aG9wcGVy", Refusal::NoToken),
        ("", Refusal::NoToken),
    ] {
        assert_eq!(keys.identify(header, now), Err(refusal), "{header}");
    }
}
