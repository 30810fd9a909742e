#pragma once
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "model/result.h"

namespace holdfast::collectors {

/// How to meet a TLS server; the names are those of Prometheus' `tls_config`.
struct TlsClientOptions {
    std::filesystem::path ca_file;              ///< authorities; empty: the system's
    std::filesystem::path cert_file, key_file;  ///< shown to a server that asks; empty: none
    std::string server_name;                    ///< asked for and verified; empty: the URL's host
    bool insecure_skip_verify = false;          ///< take any certificate
};

/// A TLS connection over a socket that stays its owner's.
using TlsStream = boost::asio::ssl::stream<boost::asio::ip::tcp::socket&>;

/// What the TLS connections of a client have in common: its files, read once. Never changed, free
/// to be shared. TLS 1.2 or newer.
class TlsClient {
public:
    /// Reads the files. Errc::config, or that of the file: the message begins with the option.
    static Result<std::shared_ptr<const TlsClient>> make(const TlsClientOptions& options);

    boost::asio::ssl::context& context() const { return *context_; }

    /// Makes `stream`, not yet in its handshake, verify the certificate: it must be good, and for
    /// `host` unless options.server_name says otherwise. A name is sent along (SNI, RFC 6066), an
    /// address is not.
    void prepare(TlsStream& stream, const std::string& host) const;

private:
    explicit TlsClient(const TlsClientOptions& options);
    Result<void> load(const TlsClientOptions& options);

    std::string server_name_;
    bool verifies_;
    std::unique_ptr<boost::asio::ssl::context> context_;
};

/// Why the handshake of `stream` failed: `certificate verify failed: self-signed certificate`.
std::string handshake_problem(TlsStream& stream, const boost::system::error_code& error);

}  // namespace holdfast::collectors
