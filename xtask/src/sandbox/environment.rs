//! What of the user's environment the programs of a sandbox see. Whatever names an AWS, or tells
//! Terraform what to do, is meant for a real one: an allow list says what stays.

use std::ffi::OsString;

/// Where Terraform gets its providers from, what it reports, and what the configuration asks for.
const OF_TERRAFORM: [&str; 7] = [
    "TF_CLI_CONFIG_FILE",
    "TF_LOG",
    "TF_PLUGIN_CACHE_",
    "TF_REGISTRY_CLIENT_TIMEOUT",
    "TF_REGISTRY_DISCOVERY_RETRY",
    "TF_TOKEN_",
    "TF_VAR_",
];
const PROXIES: [&str; 4] = ["ALL_PROXY", "FTP_PROXY", "HTTPS_PROXY", "HTTP_PROXY"];
const NO_PROXY: &str = "NO_PROXY";
/// Where the sandbox is.
const DIRECT: &str = "127.0.0.1,localhost,::1";

/// The names of this process's variables that no program of the sandbox sees.
pub fn foreign() -> Vec<String> {
    names(|name| is_foreign(name) || is_proxy(name))
}

/// The same for Terraform, which may have to go through a proxy for its providers.
pub fn foreign_to_terraform() -> Vec<String> {
    names(is_foreign)
}

/// Never a proxy between Terraform and the sandbox.
pub fn direct() -> [(String, OsString); 2] {
    [NO_PROXY.to_owned(), NO_PROXY.to_lowercase()].map(|name| {
        let users = std::env::var(&name).ok().filter(|users| !users.is_empty());
        let all = users.map_or(DIRECT.to_owned(), |users| format!("{DIRECT},{users}"));
        (name, all.into())
    })
}

fn names(wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let set = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    set.filter(|name| wanted(name)).collect()
}

fn is_foreign(name: &str) -> bool {
    let of_terraform = OF_TERRAFORM.iter().any(|known| match known.ends_with('_') {
        true => name.starts_with(known),
        false => name == *known || (*known == "TF_LOG" && name.starts_with("TF_LOG_")),
    });
    name.starts_with("AWS_") || (name.starts_with("TF_") && !of_terraform)
}

fn is_proxy(name: &str) -> bool {
    let name = name.to_uppercase();
    name == NO_PROXY || PROXIES.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_is_on_a_list() {
        for (name, foreign, proxy) in [
            ("AWS_ENDPOINT_URL_ECS", true, false),
            ("AWS_CA_BUNDLE", true, false),
            ("AWS_ANYTHING_NEW", true, false),
            ("TF_CLI_ARGS_plan", true, false),
            ("TF_WORKSPACE", true, false),
            ("TF_REATTACH_PROVIDERS", true, false),
            ("TF_CLI_CONFIG_FILE", false, false),
            ("TF_CLI_CONFIG_FILE_2", true, false),
            ("TF_PLUGIN_CACHE_DIR", false, false),
            ("TF_TOKEN_app_terraform_io", false, false),
            ("TF_LOG_PATH", false, false),
            ("TF_VAR_anything", false, false),
            ("https_proxy", false, true),
            ("HTTP_PROXY", false, true),
            ("no_proxy", false, true),
            ("PATH", false, false),
        ] {
            assert_eq!(
                (is_foreign(name), is_proxy(name)),
                (foreign, proxy),
                "{name}"
            );
        }
    }
}
