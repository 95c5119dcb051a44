// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/simulation/mutations.h"

namespace qubes::storage::simulation {
namespace {

std::string role_of(const std::string& name) {
  switch (info(intern(name)).role) {
    case Role::clean:
      return "C";
    case Role::dirty:
      return "D";
    case Role::precache:
      return "P";
    case Role::import:
      return "I";
    case Role::revision:
      return "R";
    case Role::temporary:
      return "T of " + role_of(name.substr(0, name.size() - 9));
    case Role::foreign:
      return "directory";
  }
  return "";
}

std::string plain(const Step& step) {
  switch (step.kind) {
    case StepKind::make_directory:
      return "make directory";
    case StepKind::remove_directory:
      return "remove directory";
    case StepKind::sync_directory:
      return "sync directory";
    case StepKind::link_unnamed:
      return "name " + role_of(step.to);
    case StepKind::clone:
      return "clone " + role_of(step.from);
    case StepKind::set_size:
      return "set size of " + role_of(step.from);
    case StepKind::set_mtime:
      return "set mtime of " + role_of(step.from);
    case StepKind::sync_file:
      return "sync " + role_of(step.from);
    case StepKind::link:
      return "link " + role_of(step.from) + " -> " + role_of(step.to);
    case StepKind::rename:
      return (step.is_leftover ? "sweep " : "rename ") + role_of(step.from) + " -> " +
             role_of(step.to);
    case StepKind::unlink:
      return (step.is_leftover ? "sweep " : "unlink ") + role_of(step.from);
  }
  return "";
}

// Common to all that tell steps by their signature.
class Observer : public StepObserver {
 public:
  explicit Observer(StepObserver& inner) : inner_(inner) {}

  void perform(const Step& step, const std::function<void()>& act) final {
    const std::string sign = signature(step, before_);
    see(sign, step, act);
    // What is swept before an operation is no part of it, but for what a sync follows.
    const Role role = info(intern(step.from)).role;
    const bool is_state = role != Role::temporary && role != Role::import;
    if (!step.is_leftover || is_state) before_ = plain(step);
  }

 protected:
  virtual void see(const std::string& sign, const Step& step, const std::function<void()>& act) = 0;
  StepObserver& inner_;
  std::string before_ = "nothing";
};

class Recorder final : public Observer {
 public:
  Recorder(StepObserver& inner, std::string operation, Recorded& recorded)
      : Observer(inner), operation_(std::move(operation)), recorded_(recorded) {}

 private:
  void see(const std::string& sign, const Step& step, const std::function<void()>& act) override {
    note(recorded_.steps[{operation_, sign}]);
    if (!last_.empty()) note(recorded_.pairs[{operation_, {last_, sign}}]);
    last_ = step.is_leftover ? "" : sign;
    inner_.perform(step, act);
  }

  void note(std::vector<VisitId>& places) {
    if (places.empty() || places.back() != recorded_.now) places.push_back(recorded_.now);
  }

  const std::string operation_;
  Recorded& recorded_;
  std::string last_;
};

class Recording final : public Mutation {
 public:
  explicit Recording(Recorded& recorded) : recorded_(recorded) {}
  std::string name() const override { return "none"; }
  std::unique_ptr<StepObserver> observer(const Act& act, StepObserver& inner) const override {
    return std::make_unique<Recorder>(inner, operation_of(act.verb), recorded_);
  }

 private:
  Recorded& recorded_;
};

class Without final : public Mutation {
 public:
  Without(std::string operation, std::string step)
      : operation_(std::move(operation)), step_(std::move(step)) {}
  std::string name() const override { return operation_ + ": without \"" + step_ + '"'; }
  std::unique_ptr<StepObserver> observer(const Act& act, StepObserver& inner) const override {
    if (operation_of(act.verb) != operation_) return nullptr;
    return std::make_unique<Leave>(inner, step_);
  }

 private:
  class Leave final : public Observer {
   public:
    Leave(StepObserver& inner, const std::string& step) : Observer(inner), step_(step) {}

   private:
    void see(const std::string& sign, const Step& step, const std::function<void()>& act) override {
      if (sign != step_) inner_.perform(step, act);
    }
    const std::string& step_;
  };

  const std::string operation_;
  const std::string step_;
};

class Swapped final : public Mutation {
 public:
  Swapped(std::string operation, std::string first, std::string second)
      : operation_(std::move(operation)), first_(std::move(first)), second_(std::move(second)) {}
  std::string name() const override {
    return operation_ + ": \"" + second_ + "\" before \"" + first_ + '"';
  }
  std::unique_ptr<StepObserver> observer(const Act& act, StepObserver& inner) const override {
    if (operation_of(act.verb) != operation_) return nullptr;
    return std::make_unique<Late>(inner, *this);
  }

 private:
  class Late final : public Observer {
   public:
    Late(StepObserver& inner, const Swapped& of) : Observer(inner), of_(of) {}
    void finish() override { release(); }

   private:
    void see(const std::string& sign, const Step& step, const std::function<void()>& act) override {
      const bool is_second = held_ && sign == of_.second_;
      if (held_ && !is_second) release();
      if (!is_second && sign == of_.first_) {
        held_ = std::make_unique<std::pair<Step, std::function<void()>>>(step, act);
        return;
      }
      inner_.perform(step, act);
      release();
    }
    void release() {
      if (!held_) return;
      const auto held = std::move(held_);
      inner_.perform(held->first, held->second);
    }
    const Swapped& of_;
    std::unique_ptr<std::pair<Step, std::function<void()>>> held_;
  };

  const std::string operation_;
  const std::string first_;
  const std::string second_;
};

}  // namespace

std::string operation_of(Verb verb) {
  if (verb == Verb::start_at_once) return name_of(Verb::start);
  if (verb == Verb::revert_oldest) return name_of(Verb::revert);
  if (verb == Verb::import_cancelled) return name_of(Verb::import);
  return name_of(verb);
}

std::string signature(const Step& step, const std::string& before) {
  const std::string text = plain(step);
  return step.kind == StepKind::sync_directory ? text + " after " + before : text;
}

std::unique_ptr<Mutation> recording(Recorded& recorded) {
  return std::make_unique<Recording>(recorded);
}

std::unique_ptr<Mutation> without(std::string operation, std::string step) {
  return std::make_unique<Without>(std::move(operation), std::move(step));
}

std::unique_ptr<Mutation> swapped(std::string operation, std::string first, std::string second) {
  return std::make_unique<Swapped>(std::move(operation), std::move(first), std::move(second));
}

}  // namespace qubes::storage::simulation
