# Stands in for Homebrew, as far as deploy/homebrew/opensoul.rb needs it: `ruby formula.rb FORMULA PROGRAM PREFIX` runs its `install`
# (cargo's part is the built PROGRAM), its `service` and its `test`, and prints what it declares as JSON.
require "fileutils"
require "json"
require "open3"
require "pathname"

FORMULA, PROGRAM, PREFIX = ARGV.map { |word| Pathname(word) }

class Pathname
  def install_symlink(names)
    names.each { |source, name| FileUtils.ln_s(source, self / name) }
  end

  def install(files)
    mkpath
    FileUtils.cp(files, self)
  end
end

module Places
  def bin = PREFIX / "bin"
  def opt_bin = bin
  def var = PREFIX / "var"
end

class Formula
  include Places
  SAID = {}

  # What is declared: words, or a block for later.
  def self.method_missing(name, *words, **more, &block)
    SAID[name] = block || [*words, *more.to_a]
  end

  def self.respond_to_missing?(*) = true

  def self.test(&block) # Ruby has one of its own
    SAID[:test] = block
  end

  def version = SAID[:url].first[/v(\d+\.\d+\.\d+)\.tar\.gz$/, 1]
  def buildpath = PREFIX / "build"
  def testpath = (PREFIX / "empty").tap(&:mkpath)
  def man1 = PREFIX / "man1"
  def std_cargo_args = ["--locked", "--root", PREFIX.to_s, "--path", "."]

  def system(*words)
    words.map!(&:to_s)
    return Kernel.system(*words) || raise("failed: #{words}") if words.first != "cargo"

    raise "not an installation: #{words}" if words != ["cargo", "install", *std_cargo_args]

    bin.mkpath
    FileUtils.cp(PROGRAM, bin / "opensoul")
  end

  def generate_completions_from_executable(*words)
    %w[bash zsh fish].each { |shell| (PREFIX / shell).write(shell_output([*words, shell].join(" "))) }
  end

  def shell_output(line, code = 0)
    said, ended = Open3.capture2(line)
    ended.exitstatus == code ? said : raise("#{line}: exit #{ended.exitstatus}, not #{code}")
  end

  def assert_match(wanted, said)
    said.include?(wanted) || raise("no #{wanted} in #{said}")
  end
end

# `service do` declares, too.
class Service < BasicObject
  include ::Places

  def method_missing(name, *words, **more)
    ::Formula::SAID[:"service.#{name}"] = [*words, *more.to_a]
  end

  def respond_to_missing?(*) = true
end

load FORMULA.to_s
made = Opensoul.new
made.buildpath.mkpath
Dir.chdir(made.buildpath) { made.install }
made.instance_exec(&Formula::SAID.delete(:test))
Service.new.instance_exec(&Formula::SAID.delete(:service))
puts JSON.generate(Formula::SAID)
