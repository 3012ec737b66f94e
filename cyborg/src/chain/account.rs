//! Accounts as users name them: an address, or a key of their own.

use std::str::FromStr as _;

use cyborg_account::keys;
use cyborg_chain_client::subxt::utils::AccountId32;

use crate::cli::values::is_like_an_address;
use crate::error::Failure;

/// The account of an address in SS58, or of a key: a file, a name in the keyring, `//Alice`.
pub(crate) fn named(text: &str) -> Result<AccountId32, Failure> {
    match AccountId32::from_str(text) {
        Ok(account) => Ok(account),
        // No key of that name: it was to be an address.
        Err(_) if is_like_an_address(text) && keys::load(text).is_err() => {
            let problem = "it looks like an address, and its checksum is wrong".to_owned();
            Err(Failure::Input { file: text.to_owned(), problem })
        }
        Err(_) => Ok(AccountId32(keys::account(&keys::load(text)?))),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn an_address_or_a_key_names_an_account() {
        let address = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
        assert_eq!(named(address).unwrap(), named("//Alice").unwrap());
        // One letter is wrong: the checksum says so, and there is no key of that name.
        let misspelt = named(&address.replace("Grwva", "Grwvb")).unwrap_err().to_string();
        assert!(misspelt.contains("checksum"), "{misspelt}");
        assert!(named("//Mallory").is_err());
    }
}
