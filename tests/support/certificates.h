#pragma once
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

#include "tests/support/temp_dir.h"

namespace holdfast::testing {

/// A certificate and its private key, in PEM files.
struct CertificateFiles {
    std::filesystem::path cert, key;
};

/// What a certificate says; its time is counted from now.
struct CertificateWish {
    std::string name = "holdfast test";              ///< common name of its subject
    std::string alternative_names = "IP:127.0.0.1";  ///< `DNS:a,email:b@c,URI:d:e`; empty: none
    std::chrono::hours from{-1};
    std::chrono::hours until{24};
};

/// An authority that certifies on demand (ECDSA, P-256). Its files live as long as it does.
class Authority {
public:
    explicit Authority(const std::string& name = "holdfast test authority") : key_{make_key()} {
        certificate_ = make({.name = name, .alternative_names = ""}, *key_);
        write(file(), [this](FILE* out) { return PEM_write_X509(out, certificate_.get()); });
    }

    std::filesystem::path file() const { return folder_.path() / "authority.pem"; }
    const std::filesystem::path& folder() const { return folder_.path(); }

    /// A certificate that this authority has signed.
    CertificateFiles issue(const CertificateWish& wish = {}) {
        const auto key = make_key();
        const auto certificate = make(wish, *key);
        return save(*certificate, *key);
    }
    /// A certificate that nobody has signed but itself.
    CertificateFiles self_signed() {
        const Authority other{"nobody"};
        return save(*other.certificate_, *other.key_);
    }

private:
    template <class T, void (*release)(T*)>
    struct Release {
        void operator()(T* object) const { release(object); }
    };
    using Key = std::unique_ptr<EVP_PKEY, Release<EVP_PKEY, EVP_PKEY_free>>;
    using Certificate = std::unique_ptr<X509, Release<X509, X509_free>>;

    static void require(bool good, const char* what) {
        if (!good) {
            throw std::runtime_error(std::string{"certificates of the test: "} + what);
        }
    }

    static Key make_key() {
        Key key{EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")};
        require(key != nullptr, "no key");
        return key;
    }

    static void extend(X509* issuer, X509* subject, int what, const std::string& value) {
        X509V3_CTX context;
        X509V3_set_ctx(&context, issuer, subject, nullptr, nullptr, 0);
        auto* const extension = X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str());
        require(extension != nullptr && X509_add_ext(subject, extension, -1) == 1, "extension");
        X509_EXTENSION_free(extension);
    }

    /// Signed by the authority; before it has a certificate, that is the one being made.
    Certificate make(const CertificateWish& wish, EVP_PKEY& key) {
        Certificate out{X509_new()};
        auto* const subject = out.get();
        auto* const issuer = certificate_ ? certificate_.get() : subject;
        X509_set_version(subject, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(subject), ++serial_);
        const auto seconds = [](std::chrono::hours h) { return std::chrono::seconds{h}.count(); };
        X509_gmtime_adj(X509_getm_notBefore(subject), seconds(wish.from));
        X509_gmtime_adj(X509_getm_notAfter(subject), seconds(wish.until));
        X509_set_pubkey(subject, &key);
        const std::basic_string<unsigned char> name(wish.name.begin(), wish.name.end());
        X509_NAME_add_entry_by_txt(X509_get_subject_name(subject), "CN", MBSTRING_UTF8, name.data(),
                                   static_cast<int>(name.size()), -1, 0);
        X509_set_issuer_name(subject, X509_get_subject_name(issuer));
        extend(issuer, subject, NID_basic_constraints,
               issuer == subject ? "critical,CA:TRUE" : "CA:FALSE");
        if (!wish.alternative_names.empty()) {
            extend(issuer, subject, NID_subject_alt_name, wish.alternative_names);
        }
        require(X509_sign(subject, key_.get(), EVP_sha256()) > 0, "signature");
        return out;
    }

    CertificateFiles save(X509& certificate, EVP_PKEY& key) {
        const auto stem = (folder_.path() / std::to_string(++saved_)).string();
        CertificateFiles files{stem + ".pem", stem + ".key"};
        write(files.cert, [&](FILE* out) { return PEM_write_X509(out, &certificate); });
        write(files.key, [&](FILE* out) {
            return PEM_write_PrivateKey(out, &key, nullptr, nullptr, 0, nullptr, nullptr);
        });
        return files;
    }

    template <class Write>
    static void write(const std::filesystem::path& path, Write put) {
        auto* const out = std::fopen(path.c_str(), "we");
        require(out != nullptr, "file");
        const bool good = put(out) == 1;
        require(std::fclose(out) == 0 && good, "file");
    }

    TempDir folder_;
    long serial_ = 0;
    int saved_ = 0;
    Key key_;
    Certificate certificate_;
};

}  // namespace holdfast::testing
