#pragma once
#include <boost/asio/ssl/context.hpp>
#include <filesystem>

#include "model/result.h"

namespace holdfast::collectors {

// PEM files for a TLS context, of a client or of a server. Each call reads its file once. The
// message of an error names the file: Errc::config for what is in it, else see file_error().

/// A certificate with the chain that leads to its authority, the leaf first.
Result<void> load_chain(boost::asio::ssl::context& context, const std::filesystem::path& file);

/// The private key of the chain that was loaded before; one that is encrypted is refused, since
/// nobody is there to type a passphrase.
Result<void> load_key(boost::asio::ssl::context& context, const std::filesystem::path& file);

/// Certificates of the authorities whose word is taken for that of a peer.
Result<void> load_authorities(boost::asio::ssl::context& context,
                              const std::filesystem::path& file);

}  // namespace holdfast::collectors
