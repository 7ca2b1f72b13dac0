//! Throw-away certificates.

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
};

/// An authority that signs what a test wants.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
}

/// Whether a certificate is good today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// From long ago until long from now.
    Current,
    /// Over since long ago.
    Expired,
}

impl Authority {
    /// A new one, unlike every other.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new() -> Result<Self> {
        let key = KeyPair::generate()?;
        let name = format!("Authority of a test {:02x?}", &key.public_key_raw()[1..9]);
        let mut params = params(&[], &name, Validity::Current)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate_pem = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), certificate_pem })
    }

    /// Its own certificate, to be trusted.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// A fresh key and a certificate for it, under these names: host names or addresses.
    ///
    /// # Errors
    /// When a name is none.
    pub fn key_and_certificate_pem(&self, names: &[&str], validity: Validity) -> Result<String> {
        let key = KeyPair::generate()?;
        let certificate = params(names, "A server of a test", validity)?.signed_by(&key, &self.issuer)?;
        Ok(format!("{}{}", key.serialize_pem(), certificate.pem()))
    }
}

fn params(names: &[&str], common_name: &str, validity: Validity) -> Result<CertificateParams> {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = match validity {
        Validity::Current => date_time_ymd(2100, 1, 1),
        Validity::Expired => date_time_ymd(2001, 1, 1),
    };
    Ok(params)
}
