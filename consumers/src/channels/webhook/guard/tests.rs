use sendoff_producers::api::webhook_address;

use super::*;

/// Why `url` is refused, by the rules that need no name to be resolved.
fn refused(url: &str) -> String {
    match Guard::default().check(url) {
        Ok(()) => panic!("{url} must be refused"),
        Err(Refusal(why)) => why,
    }
}

#[test]
fn public_endpoints_are_let_through() {
    for url in [
        "https://hooks.example.com/in?tenant=acme",
        "https://hooks.example.com:8443/in",
        "https://hooks.example.com:1024/in",
        "HTTPS://Hooks.Example.com:443/in",
        "https://8.8.8.8/in",
        "https://172.15.255.255/in",
        "https://172.32.0.1/in",
        "https://100.63.255.255/in",
        "https://100.128.0.1/in",
        "https://198.17.255.255/in",
        "https://[2606:4700::1111]/in",
        "https://bücher.example/in",
        "https://localhost.example.com/in",
        "https://notlocal/".replace("notlocal", "not-local.example").as_str(),
    ] {
        assert_eq!(Guard::default().check(url), Ok(()), "{url}");
        // The API wants names as they are looked up.
        assert_eq!(webhook_address::check(url).is_ok(), url.is_ascii(), "{url} can't be registered");
    }
}

#[test]
fn the_names_that_are_not_called_are_those_that_can_not_be_registered() {
    assert_eq!(PRIVATE_NAMES, webhook_address::PRIVATE_NAMES);
}

/// The list of what has been used to get behind walls. `in` is what the refusal has to say.
#[test]
fn whatever_means_an_address_behind_our_walls_is_refused_by_name() {
    for (case, url, why) in [
        ("loopback", "https://127.0.0.1/", "loopback"),
        ("anywhere in loopback", "https://127.255.0.9/", "loopback"),
        ("unspecified", "https://0.0.0.0/", "unspecified"),
        ("this network", "https://0.1.2.3/", "unspecified"),
        ("ten", "https://10.0.0.1/", "private"),
        ("the end of ten", "https://10.255.255.255/", "private"),
        ("172.16", "https://172.16.0.1/", "private"),
        ("the end of 172.16/12", "https://172.31.255.255/", "private"),
        ("192.168", "https://192.168.1.1/", "private"),
        ("carrier-grade NAT", "https://100.64.0.1/", "shared"),
        ("the end of carrier-grade NAT", "https://100.127.255.255/", "shared"),
        ("link-local", "https://169.254.1.1/", "link-local"),
        ("instance metadata", "https://169.254.169.254/latest/meta-data/", "link-local"),
        ("container credentials", "https://169.254.170.2/v2/credentials", "link-local"),
        ("another cloud's metadata", "https://168.63.129.16/", "cloud"),
        ("protocols", "https://192.0.0.170/", "protocols"),
        ("documentation 1", "https://192.0.2.1/", "documentation"),
        ("documentation 2", "https://198.51.100.1/", "documentation"),
        ("documentation 3", "https://203.0.113.1/", "documentation"),
        ("benchmarks", "https://198.18.0.1/", "benchmarks"),
        ("the end of benchmarks", "https://198.19.255.255/", "benchmarks"),
        ("a 6to4 relay", "https://192.88.99.1/", "6to4"),
        ("multicast", "https://224.0.0.1/", "multicast"),
        ("reserved", "https://240.0.0.1/", "reserved"),
        ("broadcast", "https://255.255.255.255/", "broadcast"),
        ("decimal", "https://2130706433/", "loopback"),
        ("hexadecimal", "https://0x7f000001/", "loopback"),
        ("octal", "https://0177.0.0.1/", "loopback"),
        ("mixed", "https://0x7f.1/", "loopback"),
        ("short", "https://127.1/", "loopback"),
        ("decimal metadata", "https://2852039166/", "link-local"),
        ("full-width digits", "https://１２７.０.０.１/", "loopback"),
        ("percent-encoded", "https://%31%32%37.0.0.1/", "loopback"),
        ("a number with a dot", "https://127.0.0.1./", "loopback"),
        ("v6 loopback", "https://[::1]/", "loopback"),
        ("v6 unspecified", "https://[::]/", "unspecified"),
        ("v4-mapped loopback", "https://[::ffff:127.0.0.1]/", "IPv4 address in IPv6 form"),
        ("v4-mapped in hex", "https://[::ffff:a9fe:a9fe]/", "IPv4 address in IPv6 form"),
        ("v4-mapped public", "https://[::ffff:8.8.8.8]/", "IPv4 address in IPv6 form"),
        ("v4-compatible", "https://[::127.0.0.1]/", "IPv4 address in IPv6 form"),
        ("NAT64", "https://[64:ff9b::7f00:1]/", "NAT64"),
        ("local NAT64", "https://[64:ff9b:1::7f00:1]/", "NAT64"),
        ("6to4", "https://[2002:7f00:1::1]/", "6to4"),
        ("Teredo", "https://[2001::1]/", "Teredo"),
        ("v6 benchmarks", "https://[2001:2::1]/", "benchmarks"),
        ("ORCHID", "https://[2001:10::1]/", "protocols"),
        ("v6 documentation", "https://[2001:db8::1]/", "documentation"),
        ("more v6 documentation", "https://[3fff::1]/", "documentation"),
        ("unique local", "https://[fc00::1]/", "private"),
        ("v6 instance metadata", "https://[fd00:ec2::254]/", "private"),
        ("v6 link-local", "https://[fe80::1]/", "link-local"),
        ("site-local", "https://[fec0::1]/", "private"),
        ("v6 multicast", "https://[ff02::1]/", "multicast"),
        ("discard", "https://[100::1]/", "discarded"),
        ("not yet given out", "https://[4000::1]/", "not routed"),
        ("segment routing", "https://[5f00::1]/", "not routed"),
        ("v4-translated", "https://[::ffff:0:127.0.0.1]/", "not routed"),
        ("localhost", "https://localhost/", "`localhost`"),
        ("LOCALHOST", "https://LOCALHOST/", "`localhost`"),
        ("below localhost", "https://a.localhost/", "`localhost`"),
        ("localhost with a dot", "https://localhost./", "ends with a dot"),
        ("internal", "https://metadata.google.internal/", "`internal`"),
        ("internal with a dot", "https://metadata.google.internal./", "ends with a dot"),
        ("local", "https://printer.local/", "`local`"),
        ("home", "https://nas.home.arpa/", "`home.arpa`"),
        ("a single word", "https://metadata/", "full name"),
        ("a cluster's service", "https://api.default.svc.cluster.local/", "`local`"),
        ("plain http", "http://hooks.example.com/", "not https"),
        ("a file", "file:///etc/passwd", "not https"),
        ("gopher", "gopher://hooks.example.com/", "not https"),
        ("data", "data:text/plain,x", "not https"),
        ("a user", "https://ada@hooks.example.com/", "user or a password"),
        ("a password", "https://:x@hooks.example.com/", "user or a password"),
        ("a user that looks like a host", "https://hooks.example.com@127.0.0.1/", "user or a password"),
        ("a backslash", "https://hooks.example.com\\@127.0.0.1/x", ""),
        ("ssh's port", "https://hooks.example.com:22/", "port is 22"),
        ("http's port", "https://hooks.example.com:80/", "port is 80"),
        ("no port", "https://hooks.example.com:0/", "port is 0"),
        ("not a URL", "hooks.example.com", "not a URL"),
        ("nothing", "", "not a URL"),
        ("no host", "https:///", "not a URL"),
        ("too long", &format!("https://hooks.example.com/{}", "x".repeat(2000)), "longer"),
    ] {
        // That one means the host before it: browsers and we agree.
        if case == "a backslash" {
            let target = Guard::default().target(url).unwrap();
            assert_eq!(target.url.host_str(), Some("hooks.example.com"), "{case}");
            continue;
        }
        let refusal = refused(url);
        assert!(refusal.contains(why), "{case}: {url}: {refusal}");
        assert!(webhook_address::check(url).is_err(), "{case}: {url} can be registered, and would never be called");
    }
}

#[test]
fn servers_on_the_list_are_exempt_from_the_rules_and_no_others_are() {
    let guard = Guard::new(["localhost:8080", "[::1]:9000", "Hooks.Test:80"].map(|text| text.parse().unwrap()));
    for url in ["http://localhost:8080/in", "https://localhost:8080/", "https://[::1]:9000/", "http://hooks.test/"] {
        assert!(guard.target(url).unwrap().exempt, "{url}");
    }
    for url in ["http://localhost:8081/", "http://127.0.0.1:8080/", "https://[::1]/", "http://a.localhost:8080/"] {
        assert!(guard.check(url).is_err(), "{url}");
    }
    assert!(guard.check("http://ada:pw@localhost:8080/").is_err(), "a password is never sent");
    assert!(!guard.target("https://hooks.example.com/").unwrap().exempt);
}

#[test]
fn an_exemption_that_is_no_host_and_port_is_refused_by_name() {
    for text in
        ["", "localhost", "localhost:", "localhost:0", "localhost:99999", ":80", "http://localhost:80", "a b:80"]
    {
        let error = text.parse::<Allowed>().unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{text}` is not of the form host:port")), "{error}");
    }
    assert_eq!("LOCALHOST:80".parse::<Allowed>().unwrap().to_string(), "localhost:80");
}
