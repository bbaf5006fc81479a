# For a tap: Formula/opensoul.rb. The address and the checksum are those of a release.
class Opensoul < Formula
  desc "Says whether every AI credential works, before one stops"
  homepage "https://opensoul.invalid"
  url "https://opensoul.invalid/archive/v0.1.0.tar.gz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license any_of: ["MIT", "Apache-2.0"]

  depends_on "rust" => :build

  def install
    system "cargo", "install", *std_cargo_args
    # The gateway's own program may be named opensoul: Homebrew's link is made only where it is not.
    bin.install_symlink "opensoul" => "opensoul-monitor"
    generate_completions_from_executable(bin/"opensoul", "completions")
    system bin/"opensoul", "man", buildpath/"man"
    man1.install Dir["man/*.1"]
  end

  service do
    run [opt_bin/"opensoul-monitor", "monitor", "run"]
    keep_alive crashed: true
    log_path var/"log/opensoul.log"
    error_log_path var/"log/opensoul.log"
    process_type :background
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/opensoul --version")
    # An empty home has no credentials: that is a failed check.
    shell_output("HOME=#{testpath} #{bin}/opensoul models status --check", 1)
  end
end
